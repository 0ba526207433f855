//! Serves until told to stop, then drains.
