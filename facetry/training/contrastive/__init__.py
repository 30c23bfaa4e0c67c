"""How CLIP and its kin are taught: pictures near the captions of what they show."""
