"""The HTTP face: routers that parse, authorise, call one service and render. No rule lives here."""
