"""Exact occlusion maps: what a classifier answers when a patch of the image is hidden.

``patches`` says where the patches lie and what they show. ``engine`` opens a model in one of three
ways that give the same numbers: ``whole``, ``table`` (with ``sums``) and ``regions`` (with
``reach`` and ``tensors``); ``graph`` reads the model for the last two. ``refine`` computes a large
map coarse first, and ``study`` makes the maps of the HiTS study as it published them.

Source of the method: M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional
networks", ECCV 2014.
"""
