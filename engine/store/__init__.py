"""Tables, repositories, migrations and the vault for personal data. Knows no rule of insurance."""
