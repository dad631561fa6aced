"""How fast models train: the real train step on random images, beside timm or a textbook ViT in Flax."""
