"""SSD's random crop and the horizontal flip, on boxes (SSD, arXiv 1512.02325, section 2.2, Data augmentation)."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mogakit.nets.detection.boxes import Floats, overlaps

Labels: TypeAlias = npt.NDArray[np.int64]
Window: TypeAlias = tuple[float, float, float, float]
"""Top, left, bottom, right in shares of the image."""

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
MIN_OVERLAPS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""What the crop must share with an object; None keeps the whole image, 0 asks for nothing."""

NUM_TRIES = 50
MIN_AREA = 0.1
MAX_ASPECT = 2.0


def random_crop(boxes: Floats, labels: Labels, rng: np.random.Generator) -> tuple[Window, Floats, Labels]:
    """Draw a window and return it with the objects whose centre it holds, in shares of the window.

    The window's area is between a tenth and all of the image, its aspect between 1/2 and 2. Where the demand drawn
    cannot be met in `NUM_TRIES`, the whole image is kept.
    """
    demand = MIN_OVERLAPS[int(rng.integers(len(MIN_OVERLAPS)))]
    if demand is None or len(boxes) == 0:
        return WHOLE, boxes, labels
    for _ in range(NUM_TRIES):
        window = _draw(rng)
        if window is None:
            continue
        if overlaps(np.array([window], np.float32), boxes).max() < demand:
            continue
        kept, inside = _cut(boxes, window)
        if len(kept):
            return window, kept, labels[inside]
    return WHOLE, boxes, labels


def _draw(rng: np.random.Generator) -> Window | None:
    """Draw a window, None where its sides do not fit the image."""
    area = rng.uniform(MIN_AREA, 1.0)
    aspect = float(np.exp(rng.uniform(-np.log(MAX_ASPECT), np.log(MAX_ASPECT))))
    height, width = float((area / aspect) ** 0.5), float((area * aspect) ** 0.5)
    if height > 1 or width > 1:
        return None
    top, left = float(rng.uniform(0, 1 - height)), float(rng.uniform(0, 1 - width))
    return (top, left, top + height, left + width)


def _cut(boxes: Floats, window: Window) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the boxes whose centre lies in a window, clipped to it and in its shares, and which those are."""
    origin, far = np.array(window[:2], np.float32), np.array(window[2:], np.float32)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = np.asarray(((centres > origin) & (centres < far)).all(axis=1), np.bool_)
    clipped = np.clip(boxes[inside].reshape(-1, 2, 2), origin, far)
    return ((clipped - origin) / (far - origin)).reshape(-1, 4).astype(np.float32), inside


def flipped(boxes: Floats) -> Floats:
    """Return boxes as they stand in the image mirrored left to right."""
    return np.stack((boxes[:, 0], 1 - boxes[:, 3], boxes[:, 2], 1 - boxes[:, 1]), axis=1)
