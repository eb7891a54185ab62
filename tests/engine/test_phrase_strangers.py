"""Phrases as a stranger might put them, written after the lexicon by its own author: no measure of real strangers.

Each stands with the labels it must be understood as: `!` for everything but, `*` for all that a word for several means,
`?` where it must be refused. The first 150 were understood at first sight in 115 of 120 cases and refused in 29 of 30,
the next 142 in 111 of 114 and 27 of 28; what failed was put right, so they now guard and no longer measure.
"""

from __future__ import annotations

import pytest

from engine.errors import UnknownPrompt
from tests.engine.phrase_lines import check_line

PHRASES = """
the guy who's talking|man speaking
just give me the lady's voice|woman speaking
can you pull out the vocals please|singing
get rid of the barking|!dog bark
my neighbor's dog|dog bark
police sirens|siren
an ambulance going by|siren
kill the music|!music*
isolate the lead guitar|guitar
drums only|drums
only drums and bass|drums,bass
no drums|!drums
everything except the drums|!drums
the bass line|bass
the sound of waves crashing on the shore|sea waves
rain on the roof|rain
a thunderclap|thunder
thunder and rain|thunder,rain
birds chirping in the morning|birds
a baby crying in the next room|baby cry
take out the baby|!baby cry
phone ringing|telephone
somebody's ringtone|telephone
the doorbell|doorbell
knocking|door
someone knocking at the door|door
a clock ticking|clock tick
keyboard clicks|typing
typing noise|typing
remove keyboard typing|!typing
mute the typing sounds please|!typing
vacuum|vacuum cleaner
turn off the vacuum cleaner|!vacuum cleaner
jet flying overhead|airplane
chopper|helicopter
passing train|train
cars honking|car horn
honking|car horn
street noise|traffic
traffic in the distance|traffic
wind blowing into the mic|wind
cut the wind noise|!wind
crackling campfire|fire crackling
fireworks|fireworks
gunshots|explosion
glass shattering|glass
applause|clapping
audience clapping and cheering|clapping,crowd
kids laughing|laughter
a woman screaming|scream
sneezing|sneeze
footsteps on gravel|footsteps
person walking in high heels|footsteps
whistling|whistle
cat meowing|cat
a purring kitten|cat
cows|cow
moo|cow
horse galloping|horse
sheep and goats|sheep
pig squealing|pig
frogs croaking by the pond|frog
crickets|insects
a bee buzzing around|insects
rooster crowing at dawn|rooster
violin solo|strings
cello|strings
saxophone|saxophone
trumpet|brass
flute melody|flute
clarinet|woodwind
synth|synthesizer
rhodes piano|electric piano
grand piano|piano
acoustic guitar strumming|guitar
sitar|sitar
cymbals and hi-hats|cymbal
church bells|bell
smoke alarm beeping|alarm
alarm clock going off|alarm
running water|water
dripping faucet|water
chainsaw in the forest|chainsaw
lawn mower|engine
motorcycle revving|engine
washing machine|machine
background music|music*
speech with the background noise removed|speech
clean up the noise and keep the voice|voice*
I only want to hear the person talking|speech
all voices|voice*
male and female voices|man speaking,woman speaking
man speaking but not the woman|man speaking
speech minus the music|speech
the singer without the band|singing
instruments without vocals|instrument*
everything but people talking|!speech
anything but the dog|!dog bark
leave only the birds|birds
drop the crowd noise|!crowd
applause and laughter from the audience|clapping,laughter
not the traffic|!traffic
no wind and no rain|!wind,rain
filter the siren out|!siren
I can't stand that barking dog, remove it|!dog bark
tone down the wind|!wind
dog & cat|dog bark,cat
dog/cat|dog bark,cat
dogs, cats and birds|dog bark,cat,birds
piano + violin|piano,strings
helecopter|helicopter
saxaphone solo|saxophone
guitr|guitar
ambulence siren|siren
vaccum cleaner|vacuum cleaner
thuder|thunder
peple talking|speech
wimen talking|woman speaking
pianno|piano
a truck backing up beep|alarm
accordion|?
stock market|?
the color blue|?
bitcoin price|?
hello world|?
my grandmother's recipe|?
quantum physics|?
refrigerator humming|?
snoring|?
man coughing|?
popcorn popping|?
dog and bagpipes|?
speech and accordion|?
harmonica solo|?
qwerty zxcv|?
lorem ipsum dolor sit amet|?
12345|?
the weather forecast|?
pizza|?
happiness|?
make it louder|?
translate this to french|?
what time is it|?
ball bouncing|?
the carpet|?
a planet|?
tennis match|?
keys jangling|?
frying bacon|?
camera click|?
my dog keeps barking|dog bark
puppies|dog bark
the dog next door|dog bark
hounds howling at the moon|dog bark
sirens blaring outside my window|siren
firetruck|siren
cop car siren|siren
the lecturer|speech
podcast voices|speech
audiobook narrator|speech
the teacher speaking|speech
what she is saying|woman speaking
what he says|man speaking
guys chatting|man speaking
an old man mumbling|man speaking
little girl talking|woman speaking
choir of children|singing
someone humming a tune|singing
opera|singing
rap vocals|singing
the crowd going wild|crowd
stadium cheering|crowd
party chatter|crowd
people chattering in a cafe|crowd
a round of applause|clapping
giggling|laughter
shrieks|scream
achoo|sneeze
newborn crying|baby cry
wailing infant|baby cry
water dripping from a tap|water
a babbling brook|water
the river|water
waterfall|water
ocean|sea waves
surf|sea waves
heavy downpour|rain
drizzle|rain
lightning strike|thunder
strong gusts of wind|wind
breeze|wind
log fire|fire crackling
bomb going off|explosion
machine gun fire|explosion
firecrackers|fireworks
broken window|glass
clinking glasses|glass
creaky door|door
somebody banging on the door|door
ding dong|doorbell
ticking|clock tick
mechanical keyboard|typing
hoover|vacuum cleaner
lawnmower next door|engine
diesel engine idling|engine
tractor|engine
subway train|train
steam locomotive|train
fighter jet|airplane
plane taking off|airplane
helicopter rotor|helicopter
klaxon|car horn
rush hour traffic|traffic
highway|traffic
bike chain|bicycle
viola and cello|strings
trombones|brass
tuba|brass
oboe|woodwind
alto sax|saxophone
piccolo|flute
snare drum|drums
bongos|drums
hi hat|cymbal
gong|cymbal
upright bass|bass
ukulele|guitar
fender rhodes|electric piano
moog|synthesizer
wind chimes tinkling|bell
cowbell|bell
ringtones|telephone
smoke detector chirping|alarm
microwave beeping|alarm
owls hooting|birds
seagulls|birds
ducks|birds
toads|frog
mosquitoes|insects
cicadas in the trees|insects
cattle mooing|cow
pony neighing|horse
piglets|pig
lambs|sheep
cockerel|rooster
lion roaring|animal
electric drill|machine
hairdryer|machine
power saw|chainsaw
jogging|footsteps
stomping on the floor|body percussion
snapping fingers|finger snap
referee's whistle|whistle
mute everyone except the woman|!man speaking
only keep female voice|woman speaking
delete the clicking keyboard|!typing
i want everything but the crying baby|!baby cry
all the sounds but not the birds|!birds
speech; not the typing|speech
cut out traffic and sirens|!traffic,siren
please remove any wind|!wind
would you get rid of the rain|!rain
can we lose the helicopter|!helicopter
piano, but without the singing|piano
just the drums, no cymbals|drums
bananas|?
the concept of justice|?
tomorrow's schedule|?
play some chess|?
toothpaste|?
photosynthesis|?
cheese sandwich|?
dog and spaceship|?
the smell of coffee|?
football score|?
mathematics homework|?
foo bar baz|?
aaaaaaaa|?
how are you|?
a nice picture|?
keyboard and trousers|?
bagpipes|?
xylophone|?
burping|?
wikipedia|?
blue jeans|?
elevator ding|?
squeaky toy|?
zipper|?
sandpaper|?
scissors cutting|?
""".strip().splitlines()


@pytest.mark.parametrize("line", PHRASES)
def test_stranger_is_understood(line: str) -> None:
    check_line(line, UnknownPrompt)
