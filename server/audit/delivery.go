package audit

// Delivery says what of requests and answers records hold, nothing by default, and where they are
// delivered beside the log. It is Bedrock's loggingConfig.
type Delivery struct {
	Text      bool `json:"textDataDeliveryEnabled"`
	Image     bool `json:"imageDataDeliveryEnabled"`
	Embedding bool `json:"embeddingDataDeliveryEnabled"`
	Video     bool `json:"videoDataDeliveryEnabled"`
	Audio     bool `json:"audioDataDeliveryEnabled"`
	S3        *S3  `json:"s3Config,omitempty"`
}

// S3 is a bucket that records of invocations are delivered to, and what stands before their names.
type S3 struct {
	Bucket string `json:"bucketName"`
	Prefix string `json:"keyPrefix,omitempty"`
}

// content reports whether any of the prompts and answers are asked for.
func (d *Delivery) content() bool {
	return d.Text || d.Image || d.Embedding || d.Video || d.Audio
}

// without is the delivery with no prompts and answers.
func (d *Delivery) without() Delivery { return Delivery{S3: d.S3} }

// EveryTenant is the scope of a configuration that rules the records of all tenants that have none
// of their own.
const EveryTenant = "*"

// Configuration is a Delivery that somebody put, for the records of a scope: a tenant, or
// EveryTenant.
type Configuration struct {
	Delivery
	Owner string `json:"owner,omitempty"` // the tenant whose bucket it is
	// Since is behind the last record that is not delivered, because it was there before.
	Since Position `json:"since"`
}

// Ruling is the Delivery that rules a tenant's records now, and its scope, which is empty when
// nobody configured it. What an earlier process was allowed and this one is not does not count.
func (l *Log) Ruling(tenant string) (d Delivery, scope string) {
	all := l.delivery.load()
	for _, scope := range [...]string{tenant, EveryTenant} {
		if c := all[scope]; c != nil {
			return l.allowed(&c.Delivery), scope
		}
	}
	return Delivery{}, ""
}

func (l *Log) allowed(d *Delivery) Delivery {
	if !l.cfg.Content {
		return d.without()
	}
	return *d
}

// Configuration is what was put for a scope.
func (l *Log) Configuration(scope string) (Configuration, bool) {
	c := l.delivery.load()[scope]
	if c == nil {
		return Configuration{}, false
	}
	out := *c
	out.Delivery = l.allowed(&c.Delivery)
	return out, true
}

// Scopes are those that have a configuration, in no order.
func (l *Log) Scopes() []string {
	var out []string
	for scope := range l.delivery.load() {
		out = append(out, scope)
	}
	return out
}

// MayDeliver reports whether the log's Config allows a Delivery.
func (l *Log) MayDeliver(d *Delivery) bool { return l.cfg.Content || !d.content() }

// Configure changes what later records of a scope hold and where they go. owner is the tenant whose
// bucket the Delivery names. A destination takes records from now on; one that follows another
// takes what that one did not get.
func (l *Log) Configure(scope, owner string, d *Delivery) error {
	if !l.MayDeliver(d) {
		return ErrContent
	}
	c := &Configuration{Delivery: *d, Owner: owner}
	if d.S3 != nil {
		bucket := *d.S3
		c.S3 = &bucket
	}
	return l.delivery.set(scope, c, l.Written())
}

// Unconfigure takes a scope's configuration away.
func (l *Log) Unconfigure(scope string) error { return l.delivery.set(scope, nil, Position{}) }
