"""Which side of a prompt is kept: verbs before and behind, commas, signs, words that both keep and remove.

Each line stands with the labels it must be understood as: `!` for everything but, `*` for all that a word for several
means, `?` where it must be refused. Lines under one heading are the reported ones first, then others of their kind.
"""

from __future__ import annotations

import pytest

from engine.errors import BadInput, CallerError
from engine.phrase import understand
from tests.engine.phrase_lines import KNOWN, check_line

SAID_IN_PASSING = """
bring back the speech|speech
easy on the drums|!drums
enough of the drums|!drums
I can't hear enough of the speech|speech
I don't hear enough of the piano|piano
forget the dog|!dog bark
never mind the drums, just the speech|speech
speech and nothing more|speech
the dog has got to go|!dog bark
would you mind giving me the speech back|speech
the opposite of speech|!speech
karaoke|instrumental music*
"""

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

CORRECTED = """
not the man, the woman|woman speaking
not the man. The woman.|woman speaking
not the man - the woman|woman speaking
no, not the man, the woman|woman speaking
not the dog and the cat, the siren|siren
not music, speech|speech
please not the crowd: the commentator|speech
instead of music, speech|speech
rather than music, the rain|rain
no, the woman|woman speaking
no no, the woman|woman speaking
no dog, cat or rain|!dog bark,cat,rain
without dog, cat|!dog bark,cat
not dog, cat, rain|!dog bark,cat,rain
not the dog, the cat and the rain|!dog bark,cat,rain
no music, dog|!music*,dog bark
no, no dog|!dog bark
no: dog, rain|!dog bark,rain
speech instead of music|speech
speech rather than music|speech
I prefer the rain to the music|rain
I prefer rain|rain
not speech but the woman|woman speaking
no music but the singing|singing
no voices, only music|instrumental music*
no animals, just the dog and the rain|dog bark,rain
mute the dog, not the cat|!dog bark
mute the dog but not the cat|!dog bark
remove the noise, not the voice|voice*
dog removed, not the cat|!dog bark
everything, not the dog|!dog bark
"""

FREE = """
music-free speech|speech
music free speech|speech
music-less speech|speech
speech that is music-free|speech
speech, music-free|speech
make the speech noise-free|speech
I want the speech to be noise-free|speech
noise-free siren|siren
music-free|!music*
make it music-free|!music*
noise-free|voice*
piano music free|!piano
rain-free recording of the dog|dog bark
traffic- and wind-free speech|speech
a music-free, noise-free speech|speech
dog-free cat-free rain|rain
music-free speech and rain|speech,rain
music-free vocals|singing
vocal-free music|instrumental music*
vocalless music|instrumental music*
birdless|!birds
free birds|birds
endless rain|rain
accordion-free speech|?
echoless speech|?
musicless|!music*
"""

ALL_BUT = """
everything except the speech muted|speech
everything but the voice gone|voice*
anything other than speech is muted|speech
everything should be removed but the speech|speech
everything can go except the siren|siren
anything that isn't speech should go|speech
all muted but the dog|dog bark
remove what isn't speech|speech
keep what's not music|!music*
everything except the dog, mute it|!dog bark
everything except the music, which is too loud|!music*
everything except the dog, rain removed|!dog bark,rain
speech in, everything else out|speech
"""

CAPTIONERS_AND_CALLERS = """
caption the commentator, ignore the crowd|speech
subtitle only the narrator|speech
captions|?
make sure the music is gone|!music*
make sure to keep the siren and lose the rain|siren
keep the dog quiet|!dog bark
music quiet singing|singing
man quiet voice|man speaking
the man is quiet|man speaking
quiet and loud voices|voice*
keep the dog from barking|!dog bark
there is too much wind|!wind
too many dogs|!dog bark
not too much music|music*
I can barely hear the speaker|speech
can't understand the man because of the music|man speaking
the siren I never want to hear|!siren
it's the siren I don't want|!siren
the dog I don't want muted|dog bark
the siren is what I want removed|!siren
the siren I want gone|!siren
nobody wants to hear the dog|!dog bark
no one should hear my typing|!typing
my dog is barking, mute him|!dog bark
my dog is barking, please mute her|!dog bark
keep the man, mute her|man speaking
keep the man, mute me|man speaking
the woman, mute him|woman speaking
the dog, mute please|!dog bark
music? no thanks|!music*
unwanted siren|!siren
siren unwanted|!siren
no unwanted noise|voice*
wanted: alarm, unwanted: siren|alarm
less music more speech|!music*
remove more noise|voice*
turn the dog up and the music down|dog bark
turn the siren off and the rain on|!siren
dog on / music off|dog bark
speech exclusive of music|speech
sirens - get rid|!siren
"""

WEIGHED = """
louder commentary, quieter crowd|speech
quieter crowd, louder commentary|!crowd
louder speech softer music|speech
louder speech, less loud music|speech
more speech quieter crowd|speech
more of the rain, softer wind|rain
dog louder, quieter cat and bird|dog bark
louder dog, quieter cat|dog bark
softer music, more speech|!music*
quieter dog, quieter cat|dog bark,cat
louder and quieter dogs|dog bark
the louder man and the quieter woman|man speaking,woman speaking
a quieter crowd and louder speech|crowd,speech
bring the rain up and the wind down|rain
turn up the rain and the wind down|rain
turn the rain up and the wind off|rain
turn up the speech, the crowd and the music down|speech
bring the wind down and the rain up|!wind
turn up the dog and the cat|dog bark,cat
voices up and music down|speech
voice up music down|speech
keep the dog and the cat down|!dog bark,cat
"""

WISHED_INSTEAD = """
I don't want the dog, I want the siren|siren
don't want the dog, want the siren|siren
I don't want the dog. I want the siren and the rain.|siren,rain
I don't want the dog, I don't want the cat, I want the siren|siren
I don't want to hear the dog, I want to hear the siren|siren
I don't want the dog, I want everything else|!dog bark
I don't want music, I want drums|drums
I don't want the dog, keep the siren|!dog bark
I don't need the piano, I need to remove the drums|!piano,drums
I don't want to lose the speech, I want to lose the music|speech
I don't care about the music, I care about the speech|speech
I don't like the drums, I like the piano|piano
nobody wants the drums, they want the bass|bass
don't play the dog, play the cat|cat
don't keep the dog, keep the cat|cat
I don't like the siren|!siren
it sounds like rain|rain
no the woman, not the man|woman speaking
no no the woman not the man|woman speaking
no the woman instead of the man|woman speaking
no my dog, not the cat|dog bark
no dog, not the cat|!dog bark,cat
no the dog no the cat|!dog bark,cat
no the dog, the cat should not be heard|!dog bark,cat
not the man the woman|woman speaking
instead of the dog the cat|cat
the man, no, the woman|woman speaking
the man... no, the woman|woman speaking
mute the man, no, the woman|!woman speaking
music? no, speech|speech
music: no, speech: yes|!music*
music: no, rain: no|!music*,rain
"""

ONLY_AND_STOP = """
mute only the crowd|!crowd
remove just the drums|!drums
mute nothing but the dog|!dog bark
only mute the crowd|!crowd
mute the crowd only|!crowd
mute the crowd, commentary only|speech
no drums, bass only please|bass
cut the music, speech alone|speech
remove all, only dog|dog bark
not only the dog but also the cat|dog bark,cat
stop muting the speech|speech
stop removing the dog|dog bark
stop filtering the voice|voice*
stop the dog|!dog bark
everything off but the piano|piano
everything out except the piano|piano
everything down but the piano|piano
"""

LIVE_REQUESTS = """
speech please, hold the music|speech
hold the drums|!drums
hold the crowd, commentary only|speech
hold on to the speech|speech
watch for sirens|siren
watch out for a baby crying|baby cry
watch ticking|clock tick
can you give me just the speech?|speech
what's left without the drums|!drums
only the piano not the singing|piano
kill the siren|!siren
I only care about the violin|strings
less traffic more birds|!traffic
more birds less traffic|birds
less traffic, more birds|!traffic
mute the dog, more cat|!dog bark
the music is drowning out the speech|!music*
the drums drown out the vocals|!drums
drown out the dog|!dog bark
the man drowned out by music|man speaking
my phone keeps ringing, mute it|!telephone
my phone keeps ringing|telephone
remove music keep singing|!instrumental music*
the music needs to stop|!music*
the dog has to go|!dog bark
is there a siren|siren
all I want to hear is the speech|speech
could I just hear the bass|bass
is it possible to remove the siren|!siren
let me hear it without the vocals|!singing
tell me when the baby cries|baby cry
I can't hear the woman because of the traffic|woman speaking
yes to speech, no to music|speech
just the speech no music no crowd|speech
the wind must go, the rain can stay|!wind
the woman can stay but the man must go|woman speaking
I'd rather hear the birds than the traffic|birds
mute everything. unmute the dog.|dog bark
hold my beer|?
hold the line|?
"""

LINES = [
    line
    for lines in (CLEANED_OR_FILTERED, BEHIND_A_COMMA, SIGNS, COMPARATIVES, BEHIND_ITS_OBJECT, EVERYTHING_ELSE,
                  CORRECTED, FREE, ALL_BUT, CAPTIONERS_AND_CALLERS, WEIGHED, WISHED_INSTEAD, ONLY_AND_STOP,
                  LIVE_REQUESTS, SAID_IN_PASSING)
    for line in lines.strip().splitlines()
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_polarity(line: str) -> None:
    check_line(line.replace("\\n", "\n"), CallerError)


@pytest.mark.parametrize("prompt", ["everything with dog", "everything and the dog", "speech and everything else"])
def test_prompt_that_leaves_nothing_out_says_so(prompt: str) -> None:
    with pytest.raises(BadInput, match="leave a sound out"):
        understand(prompt, KNOWN)


@pytest.mark.parametrize(("prompt", "left"), [("not the piano, the music", "piano"), ("no drums, just music", "drums"),
                                              ("drumless music", "drums"), ("piano-free music", "piano")])  # fmt: skip
def test_what_was_denied_is_no_part_of_what_is_kept(prompt: str, left: str) -> None:
    concepts = understand(prompt, KNOWN)
    assert not concepts.inverted
    assert set(concepts.labels) == set(understand("music", KNOWN).labels) - {left}


@pytest.mark.parametrize("word", ["xyzzy", "echoless"])
@pytest.mark.parametrize("frame", ["not the dog, the {}", "{}-free speech", "speech, {}-free", "mute him {}",
                                   "my dog barks, mute him {}", "what is not {}", "too much {}", "hold the {}",
                                   "no the {}, not the dog", "not the dog the {}", "louder {}, quieter dog",
                                   "louder dog, quieter {}", "bring the {} up and the dog down", "mute only the {}",
                                   "I don't want the {}, I want the dog", "I don't want the dog, I want the {}",
                                   "the {}, no, the dog", "the {} drowns out the dog",
                                   "stop muting the {}"])  # fmt: skip
def test_no_unknown_word_passes(frame: str, word: str) -> None:
    with pytest.raises(CallerError):
        understand(frame.format(word), KNOWN)
