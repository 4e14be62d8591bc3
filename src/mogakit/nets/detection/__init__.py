"""SSDLite detectors: networks, anchors, torch modules, published numbers."""
