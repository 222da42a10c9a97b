"""Tables, previews and pictures."""
