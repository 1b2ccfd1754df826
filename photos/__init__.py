"""What a picture is: discovery, identity, decoding, previews, measured signals, metadata."""
