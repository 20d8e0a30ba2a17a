"""What weights find in real recordings that nobody trained on: pictures for all, figures for labelled ones.

::

    python -m benchmarks.real_recordings [MODEL] [--recordings FOLDER] [--out FOLDER] [--write]

Writes OUT/recordings.md and OUT/images/recordings/*.png; `--write` puts the labelled clips' figures into
the card. The recordings lie beside the checkout and are not part of it. They are looked at as by `spikesight
detect`, at the card's threshold, which was chosen on simulated windows: nothing is chosen here.
"""
