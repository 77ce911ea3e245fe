"""What `nn.functional` offers, in files by family."""
