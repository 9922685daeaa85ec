package server

import (
	"basalt/server/api"
	"basalt/server/audit"
)

// decodeLogging reads the body of PutModelInvocationLoggingConfiguration.
func decodeLogging(body []byte) (*audit.Delivery, *api.Error) {
	root, err := api.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	o, d := root.Object(), &audit.Delivery{}
	if v, ok := o.Need("loggingConfig"); ok {
		c := v.Object()
		for name, to := range map[string]*bool{
			"textDataDeliveryEnabled": &d.Text, "imageDataDeliveryEnabled": &d.Image,
			"embeddingDataDeliveryEnabled": &d.Embedding, "videoDataDeliveryEnabled": &d.Video,
			"audioDataDeliveryEnabled": &d.Audio,
		} {
			*to = c.Bool(name).Or(false)
		}
		if at, ok := c.NotNull("s3Config"); ok {
			d.S3 = decodeLoggingS3(at)
		}
		if at, ok := c.NotNull("cloudWatchConfig"); ok {
			at.FailWith(noLogGroups())
		}
		refuseUnread(c)
	}
	refuseUnread(o)
	return d, root.Err()
}

// maxKeyPrefix leaves room, in the 1024 bytes of a key, for what stands behind the prefix.
const maxKeyPrefix = 700

// decodeLoggingS3 reads s3Config. Whether there is such a bucket is for the table to say.
func decodeLoggingS3(v api.Value) *audit.S3 {
	o := v.Object()
	to := &audit.S3{Bucket: o.NeedString("bucketName"), Prefix: o.String("keyPrefix").Or("")}
	if at, ok := o.Get("keyPrefix"); ok && len(to.Prefix) > maxKeyPrefix {
		at.Fail("has %d bytes; it may have at most %d", len(to.Prefix), maxKeyPrefix)
	}
	refuseUnread(o)
	return to
}

// noLogGroups refuses a destination by name: its readers would look for records by an API that
// nothing here answers.
func noLogGroups() *api.Error {
	const field = "loggingConfig.cloudWatchConfig"
	return api.FieldError(field, "%s: there are no CloudWatch log groups here; leave it out, and "+
		"give loggingConfig.s3Config with a bucket of the operator's table (--buckets), to which "+
		"the same records are delivered", field)
}

func refuseUnread(o *api.Object) {
	for _, v := range o.Unread() {
		v.Fail("is not supported; leave it out")
	}
}
