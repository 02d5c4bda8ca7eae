"""The outside world to try things against: own processes, imported by nobody."""
