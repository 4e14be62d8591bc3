"""Training of SSDLite detectors: data, losses, recipes, mAP."""
