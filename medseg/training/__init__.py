"""From labelled cases to trained weights."""
