"""What the model knows of Basalt: facts as data, and the questions that ask for them."""

# Commands: what each one does, as a verb phrase.
COMMANDS = [
    ("basalt serve", "serves models over HTTP"),
    ("basalt run", "chats with a model in the terminal or answers one prompt"),
    ("basalt bench", "measures tokens per second"),
    ("basalt inspect", "prints the program, parameters, bytes and FLOPs of a model"),
    ("basalt doctor", "says what this machine has, what is missing and what to do"),
    ("basalt version", "prints the version"),
    ("make run", "builds Basalt and serves the model in the box"),
    ("make test", "runs all tests"),
    ("make build", "builds the program"),
    ("make lint", "checks the style of the sources"),
    ("make fuzz", "runs the fuzz targets"),
    ("make help", "lists the commands of the Makefile"),
]

# Flags: what each one does, and its default ("" where it has none worth telling).
FLAGS = [
    ("--listen", "sets the address that the server listens on", "127.0.0.1:8080"),
    ("--device", "chooses where the model runs", "cpu"),
    ("--ctx", "sets the greatest number of tokens in a sequence", ""),
    ("--kv-dtype", "sets the precision of the KV cache", ""),
    ("--kv-memory", "sets the memory for the KV cache", ""),
    ("--threads", "sets the number of worker threads", "one for each core"),
    ("--quantize", "stores the matrices as q8_0 or q4_0", ""),
    ("--load", "reads files or makes random weights", "auto"),
    ("--chat-template", "replaces the chat template of the model", ""),
    ("--max-seqs", "limits the sequences that run at the same time", "64"),
    ("--step-tokens", "sets the token budget of a step", "256"),
    ("--max-queue", "limits the requests that may wait", "1024"),
    ("--auth", "chooses how callers are checked", "auto"),
    ("--keys", "names the file of keys", ""),
    ("--allow-origin", "allows a web page to call the server", ""),
    ("--served-name", "sets the id of a model in the API", ""),
    ("--drain-timeout", "limits how long streams may go on after SIGTERM", "30s"),
    ("--log-level", "sets the least level that is logged", "info"),
    ("--config", "names a settings file in YAML", ""),
    ("--system", "sets the system message of basalt run", ""),
    ("--max-tokens", "limits the tokens that basalt run makes", "512"),
    ("--seed", "sets the seed of sampling", "0"),
    ("--raw", "continues the prompt without the chat template", ""),
]

# Endpoints: method, path, what it does.
ENDPOINTS = [
    ("POST", "/v1/chat/completions", "answers a chat in the OpenAI API"),
    ("POST", "/v1/completions", "continues a text in the OpenAI API"),
    ("GET", "/v1/models", "lists the models in the OpenAI API"),
    ("POST", "/model/ID/converse", "answers a chat in the Bedrock API"),
    ("POST", "/model/ID/converse-stream", "streams a chat in the Bedrock API"),
    ("POST", "/model/ID/invoke", "runs a model with its own body in the Bedrock API"),
    ("POST", "/model/ID/invoke-with-response-stream",
     "streams a model with its own body in the Bedrock API"),
    ("GET", "/health", "says whether a token can be produced"),
    ("GET", "/metrics", "gives the metrics for Prometheus"),
    ("GET", "/ping", "is the health check of SageMaker"),
    ("POST", "/invocations", "answers a request of SageMaker"),
]

# Metrics: name and what it counts or times.
METRICS = [
    ("vllm:time_to_first_token_seconds", "the time to the first token"),
    ("vllm:inter_token_latency_seconds", "the time between two tokens"),
    ("vllm:e2e_request_latency_seconds", "the time of a whole request"),
    ("vllm:prompt_tokens_total", "the tokens of all prompts"),
    ("vllm:generation_tokens_total", "the tokens generated"),
    ("vllm:request_success_total", "the choices by their end"),
    ("basalt_requests_in_flight", "the requests being answered"),
    ("basalt_panics_total", "the requests that failed by a fault of the server"),
    ("basalt_requests_refused_total", "the requests refused before they were queued"),
]

# Terms of the field: the short form and what it means.
TERMS = [
    ("TTFT", "the time to the first token"),
    ("ITL", "the time between two tokens"),
    ("TPOT", "the time per output token"),
    ("KV cache", "the keys and values of earlier tokens, kept for attention"),
    ("block table", "the list of KV blocks of a sequence"),
    ("prefill", "the pass over the prompt"),
    ("decode", "the steps that make one token each"),
    ("preemption", "taking the blocks of a sequence and computing it again later"),
    ("prefix cache", "KV blocks shared by prompts that start alike"),
    ("chunked prefill", "a long prompt computed in pieces between decode steps"),
    ("continuous batching", "sequences joining and leaving the batch at every step"),
    ("GGUF", "the model file format of llama.cpp"),
    ("safetensors", "the model file format of Hugging Face"),
    ("Q8_0", "8 bit weights in blocks of 32"),
    ("Q4_0", "4 bit weights in blocks of 32"),
    ("BF16", "a 16 bit float with the range of F32"),
    ("LoRA", "a small adapter on the weights of a model"),
    ("SigV4", "the request signature of AWS"),
    ("SSE", "events that a server sends over HTTP"),
]

# Everything else: (id, questions, answer, the words that must be in the answer).
GENERAL = [
    ("what", ["What is Basalt?", "Tell me about Basalt.", "Explain what Basalt is.",
              "Describe Basalt.", "What does Basalt do?"],
     "Basalt is a server for large language models on your own hardware.", "language models"),
    ("port", ["Which port does Basalt use?", "What is the default port?",
              "On which port does the server listen?", "What port is used by default?"],
     "The default port is 8080.", "8080"),
    ("address", ["Which address does the server listen on?", "What is the default address?",
                 "Where does Basalt listen by default?", "Where can I reach the server?"],
     "By default the server listens on 127.0.0.1:8080.", "127.0.0.1:8080"),
    ("language", ["In which language is Basalt written?", "What is Basalt written in?",
                  "Which programming language is Basalt made with?", "Is Basalt written in Go?"],
     "Basalt is written in Go, with kernels in C.", "Go"),
    ("licence", ["What is the licence of Basalt?", "Which license does Basalt have?",
                 "Under which licence is Basalt published?", "How is Basalt licensed?"],
     "The licence of Basalt is Apache-2.0.", "Apache-2.0"),
    ("apis", ["Which APIs does Basalt speak?", "What APIs does the server have?",
              "Which clients work with Basalt?", "Which dialects does the server know?"],
     "Basalt speaks the Bedrock, OpenAI and SageMaker APIs.", "Bedrock"),
    ("devices", ["Which devices does Basalt run on?", "On what hardware does Basalt run?",
                 "What hardware does Basalt support?", "Does Basalt run on a GPU?"],
     "Basalt runs on the CPU, on NVIDIA GPUs and on Trainium.", "CPU"),
    ("formats", ["Which model files does Basalt read?", "What file formats can Basalt load?",
                 "Which formats of weights are read?", "What model formats are supported?"],
     "Basalt reads safetensors and GGUF files.", "safetensors and GGUF"),
    ("families", ["Which model families does Basalt serve?", "What models can Basalt run?",
                  "Which architectures are supported?", "Which families of models are known?"],
     "Basalt serves Llama, Mistral, Qwen2, Qwen3 and Mixtral models.", "Llama"),
    ("quant", ["Which quantised formats does Basalt read?", "What quantisation is supported?",
               "Which block formats can Basalt read?", "Which GGUF types are read?"],
     "Basalt reads Q8_0, Q4_0, Q4_K, Q5_K and Q6_K.", "Q8_0"),
    ("pickle", ["Does Basalt read pickle files?", "Can I load a .bin file?",
                "Are pickle checkpoints supported?", "Why is my .bin file refused?"],
     "No, pickle files are refused. Use safetensors or GGUF.", "refused"),
    ("needs", ["What do I need to build Basalt?", "What does the build need?",
               "Which tools are needed to build Basalt?", "What must be installed first?"],
     "You need Go 1.26 or newer and a C compiler.", "Go 1.26"),
    ("openai", ["What is the base URL for the OpenAI client?", "How do I use the OpenAI SDK?",
                "How do I point the OpenAI client at Basalt?", "What base URL does OpenAI need?"],
     "Set base_url to http://127.0.0.1:8080/v1.", "/v1"),
    ("boto3", ["How do I use boto3 with Basalt?", "How do I point boto3 at Basalt?",
               "What must change for boto3?", "Which setting does boto3 need?"],
     "Set endpoint_url to http://127.0.0.1:8080.", "endpoint_url"),
    ("key", ["Do I need an API key?", "Does the server ask for a key?",
             "When is a key needed?", "Is a credential needed on this machine?"],
     "On loopback no key is needed. On other addresses use --keys.", "--keys"),
    ("telemetry", ["Does Basalt send telemetry?", "Does Basalt send data away?",
                   "Does my data leave the machine?", "Is there any telemetry?"],
     "No, nothing leaves the machine.", "nothing leaves"),
    ("python", ["Does Basalt need Python?", "Must I install Python?", "Is Python needed?",
                "Do I need Python to run Basalt?"],
     "No, Basalt needs no Python.", "no Python"),
    ("sigterm", ["What happens on SIGTERM?", "How do I stop the server?",
                 "What does SIGTERM do?", "How does the server end?"],
     "On SIGTERM the server drains: streams finish, then it ends.", "drains"),
    ("full", ["What happens when the queue is full?", "What if too many requests wait?",
              "What does a full queue answer?", "Which error does a full queue give?"],
     "A full queue answers 429, in Bedrock a ThrottlingException.", "429"),
    ("block", ["How many tokens are in a KV block?", "What is the size of a KV block?",
               "How big is a block of the KV cache?", "What is the default block size?"],
     "A KV block holds 16 tokens.", "16"),
    ("determinism", ["Is the output deterministic?", "Does the same request give the same tokens?",
                     "Does batching change the answer?", "Are answers reproducible?"],
     "Yes, the same request gives the same tokens, alone or in a batch.", "same tokens"),
    ("env", ["Can flags be set by the environment?", "How do I set a flag by the environment?",
             "Which prefix do environment variables have?", "What are the variables called?"],
     "Every flag has an environment variable: BASALT_ and its name in capitals.", "BASALT_"),
    ("settings", ["Can I use a settings file?", "Which format has the settings file?",
                  "How do I write a settings file?", "Is there a configuration file?"],
     "Yes, write the flags in a YAML file and name it with --config.", "YAML"),
    ("metricspath", ["Where are the metrics?", "Which path has the metrics?",
                     "How do I read the metrics?", "Where does Prometheus scrape?"],
     "The metrics are at /metrics.", "/metrics"),
    ("healthpath", ["Where is the health check?", "How do I see whether the server is ready?",
                    "Which path has the health check?", "How do I check the health?"],
     "The health check is at /health.", "/health"),
    ("toolong", ["What happens when the prompt is too long?", "What if my prompt is too long?",
                 "Which error does a long prompt give?", "Can a prompt be too long?"],
     "A prompt longer than the context is refused with a ValidationException.", "refused"),
    ("ready", ["When is /health ok?", "What does /health tell?", "When is the server ready?",
               "What does a good health check mean?"],
     "The server is ready when a token can be produced.", "token can be produced"),
    ("drain", ["How long do streams go on after SIGTERM?", "How long is the drain?",
               "What is the deadline of a drain?", "How many seconds does the drain take?"],
     "Streams may go on for 30 seconds.", "30 seconds"),
    ("simd", ["Which instructions does the CPU device use?", "Does Basalt use AVX2?",
              "Which SIMD does Basalt use?", "What does the CPU device run on?"],
     "The CPU device uses AVX-512, AVX2, NEON or portable C.", "AVX2"),
    ("boxmodel", ["What is the model in the box?", "Which model is built in?",
                  "What model runs when none is named?", "Which model comes with Basalt?"],
     "The model in the box is basalt.box-v1.", "basalt.box-v1"),
    ("boxparams", ["How big are you?", "How many parameters do you have?",
                   "How large is the model in the box?", "Are you a large model?"],
     "I am small: about three million parameters.", "three million"),
    ("stream", ["Can answers be streamed?", "Does Basalt stream tokens?",
                "How do I stream an answer?", "Is streaming supported?"],
     "Yes, with converse_stream in Bedrock or stream in OpenAI.", "Yes"),
    ("tools", ["Does Basalt support tool calls?", "Can I use tools?",
               "Are tool calls supported?", "Can a model call tools?"],
     "Yes, tools are read in the Bedrock and OpenAI APIs.", "Yes"),
    ("offline", ["Does Basalt need the internet?", "Can Basalt run without a network?",
                 "Does Basalt work offline?", "Can I run Basalt on an air-gapped site?"],
     "Basalt works offline. One file is all it needs.", "offline"),
    ("install", ["How do I install Basalt?", "How do I start?", "How do I try Basalt?",
                 "What is the first command?"],
     "Run make run, then send a request to port 8080.", "make run"),
    ("greedy", ["How do I get greedy output?", "Which temperature is greedy?",
                "How do I turn sampling off?", "What does temperature 0 do?"],
     "Set the temperature to 0: then the output is greedy.", "temperature"),
    ("author", ["Who made you?", "Who trained you?", "Where do you come from?",
                "How were you trained?"],
     "I was trained from scratch by a script in the Basalt repository.", "script"),
    ("context", ["How long is your context?", "How many tokens can you read?",
                 "What is your context length?", "How long may my prompt be?"],
     "My context is 2048 tokens.", "2048"),
]

WRAPS = ["{q}", "{q}", "Please tell me: {q}", "I have a question: {q}", "{q} Thanks.",
         "{q} Be brief.", "Quick question: {q}", "About Basalt: {q}", "Hello. {q}",
         "Please answer: {q}"]


def _commands():
    for name, does in COMMANDS:
        verb, rest = does.split(" ", 1)
        yield (f"cmd.{name}", [f"What does {name} do?", f"What is {name} for?", f"Explain {name}.",
                               f"Tell me about {name}.", f"Why would I use {name}?"],
               f"{name} {does}.", does)
        yield (f"which.{name}", [f"Which command {does}?", f"What command {does}?",
                                 f"Name the command that {does}.",
                                 f"I need the command that {does}."],
               f"Use {name}.", name)


def _flags():
    for flag, does, default in FLAGS:
        yield (f"flag.{flag}", [f"What does {flag} do?", f"What is the flag {flag} for?",
                                f"Explain {flag}.", f"Tell me about the flag {flag}.",
                                f"What does the flag {flag} mean?"], f"{flag} {does}.", does)
        yield (f"which.{flag}", [f"Which flag {does}?", f"What flag {does}?",
                                 f"Name the flag that {does}.", f"I need the flag that {does}."],
               f"Use {flag}.", flag)
        name = "BASALT_" + flag[2:].upper().replace("-", "_")
        yield (f"env.{flag}", [f"Which environment variable sets {flag}?",
                               f"What is the environment variable of {flag}?",
                               f"Name the environment variable for {flag}.",
                               f"How do I set {flag} by the environment?"], f"{name}", name)
        if default:
            yield (f"default.{flag}", [f"What is the default of {flag}?",
                                       f"Which value does {flag} have by default?",
                                       f"What is {flag} when I do not set it?",
                                       f"Tell me the default of {flag}."],
                   f"The default of {flag} is {default}.", default)


def _endpoints():
    for method, path, does in ENDPOINTS:
        yield (f"path.{path}", [f"What does {path} do?", f"What is {path} for?",
                                f"What does {method} {path} do?", f"Explain {path}.",
                                f"Tell me about the endpoint {path}."], f"{path} {does}.", does)
        yield (f"which.{path}", [f"Which endpoint {does}?", f"What endpoint {does}?",
                                 f"Which path {does}?", f"Name the endpoint that {does}."],
               f"{method} {path}", path)
        yield (f"method.{path}", [f"Which method does {path} take?",
                                  f"Is {path} called with GET or POST?",
                                  f"Which HTTP method is used for {path}?",
                                  f"How is {path} called, with GET or POST?"],
               f"{path} is called with {method}.", method)


def _metrics():
    for name, means in METRICS:
        yield (f"metric.{name}", [f"What does {name} measure?", f"What is {name}?",
                                  f"Explain the metric {name}.",
                                  f"What does the metric {name} mean?"],
               f"{name} measures {means}.", means)
        yield (f"which.{name}", [f"Which metric measures {means}?",
                                 f"What metric measures {means}?",
                                 f"Name the metric for {means}.",
                                 f"I need the metric for {means}."], f"{name}", name)


def _terms():
    for term, means in TERMS:
        yield (f"term.{term}", [f"What is {term}?", f"What does {term} mean?", f"Define {term}.",
                                f"Explain the term {term}.", f"What do you mean by {term}?"],
               f"{term} means {means}.", means)


def all_facts():
    """Every fact as (id, questions, answer, words that must be in the answer)."""
    facts = list(GENERAL)
    for part in (_commands, _flags, _endpoints, _metrics, _terms):
        facts.extend(part())
    return facts
