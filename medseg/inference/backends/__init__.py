"""What computes the network: PyTorch, or a program that the network is converted for."""
