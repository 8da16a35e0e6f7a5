"""The web page: photos and the camera restyled in a browser, and what serves or exports it."""
