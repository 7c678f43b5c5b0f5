"""What a Brian2 network consists of and means, what moves in it, as a `Circuit`; and scales written back."""
