"""Texts that tokenizers get wrong, from a seed."""

import random
import unicodedata

WORDS = """
the of and to in is that for it with as was on be at by this have from or one had not but what
all were when we there can an your which their said if do will each about how up out them then
she many some so these would other into has more her two like him see time could no make than
first been its who now people my made over did down only way find use may water long little very
after words called just where most know Hello world Once upon a time, machine learning
TRANSFORMER iPhone don't I'll we've they're it's you'd I'm 'Tis rock'n'roll O'Neill DON'T I'LL
WE'VE THEY'RE IT'S YOU'D café naïve Äpfel über straße Øre smørrebrød señor mañana façade Łódź
İstanbul ışık Tiếng Việt привет мир нещо на Български καλημέρα κόσμε שלום עולם مرحبا بالعالم
नमस्ते दुनिया สวัสดี កាន់តែពិសេស 你好 世界 我想在apple工作 こんにちは 世界 カタカナ 안녕하세요 세계 한국어 한국 გამარჯობა
Բարև አማርኛ
""".split()

CODE = ["def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) {\n\ta[i] *= 2;\n}\n",
        "SELECT * FROM t WHERE a >= 10 AND b != 'x';", "std::vector<std::pair<int, int>>",
        "fn main() -> Result<(), Box<dyn Error>> {}", '{"key": [1, 2.5e-3, null, true]}',
        "https://example.com/a?b=c&d=%20#e",
        "#include <stdio.h>\r\n\r\nint main(void)\r\n{\r\n}\r\n",
        "if err != nil {\n\t\treturn nil, fmt.Errorf(\"%w\", err)\n\t}", "x = a[i:j] ** 2 // 3",
        "<div class=\"a\">&nbsp;</div>", "$$\\frac{1}{2}$$ `code` **bold**",
        "a_b__c CamelCase kebab-case"]

SPECIALS = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<0x0A>", "<0x20>", "[PAD151700]", "<|reserved_special_token_0|>",
    "<|reserved_special_token_17|>", "<|eot_id", "|>", "<|", "\u2581", "\u2581\u2581", "[INST]",
    "\u0120", "\u010a", "<tok>", " <tok> ", "<TOK>", "<left>", "<right>", "word", "<word>",
]

EMOJI = [
    "\U0001f600", "\U0001f999", "\U0001f680", "\u2705", "\U0001f636\u200d\U0001f32b\ufe0f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f1e9\U0001f1ea",
    "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u263a",
]

SPACES = [
    " ", "  ", "   ", "    ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", "\n \n \n",
    "\x0b", "\x0c", "\x85", "\xa0", "\u2003", "\u3000", "\u2028", "\u2029", "\u200b", "\u1680",
    " \t \n\t ", "        ", "\ufeff",
]

PUNCTUATION = [
    "!", "?", ".", ",", ";", ":", "...", "\u2026", "\u2014", "\u2013", "\"", "'", "''", "`",
    "```", "\u201c", "\u201d", "\u2018", "\u2019", "(", ")", "[", "]", "{", "}", "/", "\\", "|",
    "@", "#", "$", "%", "^", "&", "*", "_", "+", "-", "=", "~", "<", ">", "\u00ab", "\u00bb",
    "\u3002", "\u3001", "\uff01", "\uff1f", "\u061f", "\u06d4", "\u0964", "------======",
    "!!!!!!", "\u20ac", "\u00a3", "\u00a7", "\u00b0", "\u00b1", "\u00d7", "\u2122", "\u2190",
]

CONTRACTIONS = [
    "'s", "'S", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'VE", "'m", "'M", "'ll", "'LL", "'lL",
    "'d", "'D", "'\u017f", "'\u017ft", "'K", "'\u212a", "'r", "'v", "'l", "'rE", "\u2019s", "''s",
    "' s", "'",
]

MARKS = [
    "\u0301", "\u0300", "\u0308", "\u0323", "\u0327", "\u0345", "\u093c", "\u094d", "\u3099",
    "\u309a", "\u05b0", "\u064e", "\u0651", "\u20dd", "\ufe0f", "\u0338", "\u1161", "\u11a8",
]

NUMBERS = [
    "0", "7", "42", "314", "1000", "12345", "3.14159", "1,234,567", "1e-10", "0xFF", "2024-11-22",
    "12:34:56", "\u00bd", "\u00b2", "\u2167", "\u0663\u0664\u0665", "\u0967\u0968\u0969",
    "\uff11\uff12\uff13", "\u4e09\u5343", "\U0001d7d8\U0001d7d9", "\u2460\u2461",
    "\u00b9\u00b2\u00b3", "100%", "$5.00",
]


def any_char(r):
    """A character of any plane, the basic one more often; surrogates are none."""
    while True:
        if r.random() < 0.3:
            c = r.randrange(0x110000)
        else:
            c = r.randrange(0x3000 if r.random() < 0.5 else 0x10000)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def piece(r):
    k = r.randrange(14)
    if k < 4:
        w = r.choice(WORDS)
        return (w.upper, w.capitalize, w.swapcase)[r.randrange(3)]() if r.random() < 0.15 else w
    if k == 4:
        return r.choice(CODE)
    if k == 5:
        return r.choice(SPECIALS)
    if k == 6:
        return r.choice(EMOJI)
    if k == 7:
        return r.choice(SPACES) * (r.randrange(1, 9) if r.random() < 0.2 else 1)
    if k == 8:
        return r.choice(PUNCTUATION)
    if k == 9:
        return r.choice(WORDS) + r.choice(CONTRACTIONS) + r.choice(["", " ", r.choice(WORDS)])
    if k == 10:
        number = r.choice(NUMBERS)
        return number if r.random() < 0.7 else number + str(r.randrange(10**r.randrange(1, 15)))
    if k == 11:
        base = r.choice("aeouAEOUcnséαиかक\u1100א") if r.random() < 0.8 else any_char(r)
        return base + "".join(r.choice(MARKS) for _ in range(r.randrange(1, 4)))
    if k == 12:
        return "".join(any_char(r) for _ in range(r.randrange(1, 6)))
    if r.random() < 0.5:
        return chr(r.randrange(0x20))
    return unicodedata.normalize("NFD", r.choice(WORDS))


def text(r):
    sep = r.choice(["", " ", " ", "mixed"])
    parts = [piece(r) for _ in range(r.randrange(1, 14))]
    if sep == "mixed":
        return "".join(p + r.choice(["", " ", "", "\n", "  "]) for p in parts)
    return sep.join(parts)


def texts(count, seed):
    r = random.Random(seed)
    return ["", " ", "a"][:count] + [text(r) for _ in range(count - 3)]
