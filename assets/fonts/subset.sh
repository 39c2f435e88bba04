#!/bin/sh
# Makes the embedded fonts: DejaVu Sans cut down to Latin, Latin-1, the accented
# letters of the formulas, Greek and maths. Hinting and OpenType layout go (the
# figures use neither), the `kern` table stays. Needs Python's fonttools and the
# originals, which ship inside the matplotlib wheel:
#   python3 -m venv venv && venv/bin/pip install fonttools matplotlib
#   PATH=venv/bin:$PATH sh subset.sh venv/lib/python3*/site-packages/matplotlib/mpl-data/fonts/ttf
set -eu
from=${1:?directory with DejaVuSans.ttf, DejaVuSans-Bold.ttf and LICENSE_DEJAVU}
here=$(dirname "$0")
# ASCII, Latin-1, Latin Extended-A, modifier and combining accents, Greek,
# superscript letters, accented y and z, dashes, dots and quotes, super- and
# subscripts, letterlike, fractions, arrows, operators, angle brackets.
ranges=0020-007E,00A0-00FF,0100-017F,02C6-02C7,02D8-02DD,0300-0304,0307-0308,0391-03C9,1D2C-1D6A,1E80-1E91,2009-2015,2016,2018-201E,2020-2022,2026,2030,2032-2033,2070-208E,2090-209C,2102,2115,211D,2124,2150-215E,2190-2199,2202-2212,2215-221E,2225-222B,2248,2260-2265,226A-226B,2295-2297,22C5-22C6,27E8-27E9
for face in DejaVuSans DejaVuSans-Bold; do
    pyftsubset "$from/$face.ttf" --output-file="$here/$face.subset.ttf" \
        --unicodes="$ranges" --no-hinting --layout-features= --legacy-kern \
        --drop-tables+=GSUB,GPOS,GDEF,FFTM,MATH --name-IDs=0,1,2,3,4,5,6,13,14 --notdef-outline
done
cp "$from/LICENSE_DEJAVU" "$here/LICENSE_DEJAVU"
