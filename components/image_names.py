"""The images that components run in. Both hold facetry and kfp; a release of them is pinned here by digest."""

DATA_IMAGE = "localhost/facetry-data:0.1.0"
TRAIN_IMAGE = "localhost/facetry-train:0.1.0"
