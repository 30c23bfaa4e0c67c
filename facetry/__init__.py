"""Fine-tune vision-language models on product listings and serve them."""

__version__ = "0.1.0"
