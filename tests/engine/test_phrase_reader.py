"""Which side of a prompt is kept: verbs before and behind, commas, signs, words that both keep and remove.

Each line stands with the labels it must be understood as: `!` for everything but, `*` for all that a word for several
means, `?` where it must be refused. Lines under one heading are the reported ones first, then others of their kind.
"""

from __future__ import annotations

import pytest

from engine.errors import BadInput, CallerError
from engine.phrase import understand
from tests.engine.phrase_lines import KNOWN, check_line

CLEANED_OR_FILTERED = """
clean up the dialogue|speech
cleanup speech|speech
clean up the voice|voice*
clean the speech|speech
clean the dialogue up|speech
tidy up the vocals|singing
clean up the guitar|guitar
voice cleanup|voice*
clean up the wind noise|!wind
clean the rain|!rain
clean up the noise|voice*
clean up the speech and the noise|speech
don't filter out the speech|speech
filter the speech|speech
filter the noise|voice*
filter the wind|!wind
filter the music|!music*
filter for the dog|dog bark
filter out the speech|!speech
filter the siren out|!siren
noise filter|voice*
background noise reduction|voice*
wind noise reduction|!wind
crowd attenuation|!crowd
speech filtering|speech
wind filter|!wind
cut to the speech|speech
fade to the music|music*
trim to the vocals|singing
skip to the singing|singing
"""

BEHIND_A_COMMA = """
speech, music removed|speech
speech on, music off|speech
speech [music off]|speech
speech (music off)|speech
keep speech, music removed|speech
dog, rain muted|dog bark
dog up, cat down|dog bark
dog and rain muted|!dog bark,rain
mute dog, rain|!dog bark,rain
speech; music and rain gone|speech
dog, cat, and rain muted|dog bark
dog, muted|!dog bark
dog/cat muted|!dog bark,cat
the man, the woman removed|man speaking
singing on; drums off; bass off|singing
music quieter, speech louder|!music*
speech louder, music quieter|speech
mute the music, the speech stays|!music*
removed: dog, rain|!dog bark,rain
keep: dog, cat; remove: rain|dog bark,cat
turn the music, the dog and the siren off|!music*,dog bark,siren
turn the dog up, the cat and the siren down|dog bark
speech, noise removed|speech
no noise, speech|speech
remove noise, speech|speech
noise off, speech|speech
remove noise and keep the speech|speech
filter noise, keep speech|speech
noise-free speech|speech
voice, noise off|voice*
speech without noise, music|speech
"""

SIGNS = """
speech - music|speech
speech -music|speech
speech −music|speech
+speech -music|speech
vocals -drums -bass|singing
vocals - drums - bass|singing
hi-hat - vocals|cymbal
rain !thunder|rain
everything -drums|!drums
all - the drums|!drums
-dog|!dog bark
!dog|!dog bark
~speech|!speech
~~dog~~|!dog bark
-dog -cat|!dog bark,cat
-music speech|!music*
-rain, speech|!rain
speech -music, rain|speech,rain
speech -music and rain|speech
-car horn|!car horn
dog! cat!|dog bark,cat
drum-kit|drums
speech-only|speech
speech–rain|speech,rain
- speech|speech
- speech\\n- rain|speech,rain
a 10 - 20 second dog bark|dog bark
dog — rain|dog bark,rain
Speech – music muted|speech
remove rain -- keep the dog|!rain
remove rain - keep the dog|!rain
speech - no music|speech
dog -barking|?
"""

COMPARATIVES = """
quieter man|man speaking
the quieter of the two men|man speaking
the lower voice|man speaking
softer speech|speech
a softer female voice|woman speaking
dog and quieter man|dog bark,man speaking
the softer singing|singing
silent man|man speaking
filtered speech|speech
the louder dog|dog bark
make the man quieter|!man speaking
make the siren softer|!siren
lower the rain|!rain
lower the voice|!voice*
quieter, dog|!dog bark
"""

BEHIND_ITS_OBJECT = """
nobody talking,|!speech
nobody singing|!singing
no one talking|!speech
dog, nobody talking|dog bark
dog must not be heard|!dog bark
the dog should not be audible|!dog bark
make the dog stop|!dog bark
make the dog stop barking|!dog bark
the baby must stop crying|!baby cry
the music should stop|!music*
get the drums out of here|!drums
get the rain out|!rain
music out|!music*
music away|!music*
drums out, bass in|!drums
drums mute|!drums
dog: none|!dog bark
speech: yes, music: no|speech
music no, speech yes|!music*
music: mute, speech: keep|!music*
dog is annoying, mute it|!dog bark
tired of listening to the dog|!dog bark
stop the music|!music*
don't stop the music|music*
speech must not be muted|speech
must not be muted: speech|speech
I don't want the dog muted|dog bark
no, keep the dog|dog bark
get the vocals out of the song|singing
a bird flying away|birds
rain coming down|rain
a car driving off|road vehicle*
loud siren down the street|siren
a dog out on the street|dog bark
a siren fading out, then a dog|siren,dog bark
the rain stops and the thunder starts|rain,thunder
a girl skipping, a siren|woman speaking,siren
siren yes dog no|siren
siren: keep. dog: remove.|siren
the rain goes away|rain
the dog before the drop|dog bark
dog without|?
dog nobody|?
mute the dog, the cat stays, please|!dog bark
"""

EVERYTHING_ELSE = """
speech, everything else muted|speech
everything else off, speech on|speech
speech on everything else off|speech
all else removed, only dog|dog bark
dog. The rest: muted.|dog bark
nothing else than rain|rain
nobody but the man|man speaking
no one else but the woman|woman speaking
everything with dog|?
everything and dog|?
everything, speech|?
"""

LINES = [
    line
    for lines in (CLEANED_OR_FILTERED, BEHIND_A_COMMA, SIGNS, COMPARATIVES, BEHIND_ITS_OBJECT, EVERYTHING_ELSE)
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize("line", LINES)
def test_polarity(line: str) -> None:
    check_line(line.replace("\\n", "\n"), CallerError)


@pytest.mark.parametrize("prompt", ["everything with dog", "everything and the dog", "speech and everything else"])
def test_prompt_that_leaves_nothing_out_says_so(prompt: str) -> None:
    with pytest.raises(BadInput, match="leave a sound out"):
        understand(prompt, KNOWN)
