"""The three levels of isolation measured side by side, on this installation, with the same documents."""
