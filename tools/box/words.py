"""Word lists of the generator. Nouns are kept whole by the tokenizer; pseudo-words are not."""

NOUNS = """\
lamp chair table clock knife spoon plate glass bottle basket hammer nail rope ladder wheel
candle mirror brush towel blanket pillow shirt coat shoe glove hat scarf belt ring book pen
paper stamp map flag drum bell flute guitar piano camera radio phone cable lens battery engine
pump valve bolt screw spring bread cheese apple pear plum lemon grape melon onion carrot potato
rice bean corn pepper salt sugar honey butter milk tea coffee juice""".split()

NAMES = """Ada Ben Cleo Dan Eva Finn Gus Hana Ida Jon Kim Leo Mia Noa Oscar Pia Quinn Rosa Sam Tom
Uma Vera Wim Yara Zoe Alma Bruno Carl Dora Emil Flora Greta Hugo Iris Jana Karl Lena Max Nina Otto
Paul Rita Sven Tara Udo Vito Wanda Xenia York Zita""".split()

CITIES = """Paris London Rome Berlin Madrid Oslo Vienna Prague Lisbon Athens Dublin Cairo Tokyo
Kyoto Seoul Delhi Lima Quito Bogota Boston Denver Austin Dallas Miami Toronto Sydney Perth Nairobi
Lagos Accra Dakar Tunis Zurich Geneva Basel Munich Hamburg Lyon Nice Milan Turin Naples Porto
Seville Bergen Malmo Turku Riga Vilnius Warsaw Krakow Sofia Zagreb Split Havana Manila Hanoi Jakarta
Taipei Osaka Chicago Houston Seattle Phoenix Detroit Atlanta Montreal Ottawa Calgary Cardiff Leeds
Bristol Glasgow Belfast Cork Bremen Dresden Leipzig Bonn Graz Linz Bern Ghent Bruges Utrecht Delft
Kiel Aarhus Odense Tampere Tallinn Minsk Odessa Ankara Izmir Beirut Amman Doha Muscat Karachi
Lahore Mumbai Chennai Dhaka Colombo Bangkok Darwin Hobart Suva Apia""".split()

COLOURS = "red blue green black white grey brown pink gold orange yellow purple".split()

COMMON = """time year people way day man thing woman life child world school state family student
group country problem hand part place case week company system program question work government
number night point home water room mother area money story fact month lot right study eye job word
business issue side kind head house service friend father power hour game line end member law car
city name team minute idea body back parent face level office door health person art war history
party result change morning reason research girl guy moment air teacher force education planet
banana garden window yellow summer winter river stone mountain letter orange monkey dragon castle
bridge forest island market doctor farmer singer hunter silver copper marble cotton velvet tunnel
""".split()

# Units by kind: a conversion stays within one kind.
UNITS = [["km", "miles", "m", "feet", "cm", "inches", "yards"], ["kg", "pounds", "g", "ounces"],
         ["litres", "gallons", "ml", "pints"], ["C", "F", "K"],
         ["hours", "minutes", "seconds", "days", "weeks"], ["MB", "GB", "KB", "TB"]]

ONSETS = "b c d f g h j k l m n p r s t v w z br cr dr fl gr pl pr sh sl sp st tr th ch".split()
NUCLEI = "a e i o u a e i o u ai ea ee ou oo".split()
CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "d", "k", "p", "x", "y", "nd", "st", "ck", "ng"]


def pseudo_word(rng, low, high):
    """A pronounceable word of low to high letters, or a common one."""
    while True:
        if rng.random() < 0.2:
            word = rng.choice(COMMON + NOUNS)
        else:
            word = "".join(rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS)
                           for _ in range(rng.randint(1, 3)))
        if rng.random() < 0.15:
            word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz")
                           for _ in range(rng.randint(low, high)))
        if low <= len(word) <= high:
            return word
