package s3face

import (
	"encoding/base64"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"
)

// describe sets on an object what the headers of a request say of it.
func describe(attrs *storage.ObjectAttrs, headers map[string]string) {
	attrs.Metadata = map[string]string{}
	for name, value := range headers {
		if label, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			attrs.Metadata[strings.ToLower(label)] = value
		}
	}
	attrs.ContentType = headers["Content-Type"]
	attrs.ContentDisposition = headers["Content-Disposition"]
	attrs.ContentEncoding = encoding(headers["Content-Encoding"])
}

// encoding leaves out aws-chunked, which is of the transfer and not of the object.
func encoding(header string) string {
	var kept []string
	for name := range strings.SplitSeq(header, ",") {
		if name = strings.TrimSpace(name); name != "" && name != "aws-chunked" {
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, ",")
}

// headers are what the answer says of an object: its metadata by S3's and by Google's names.
func headers(attrs *storage.ObjectAttrs) map[string]string {
	h := map[string]string{"Last-Modified": attrs.Updated.UTC().Format(http.TimeFormat)}
	for label, value := range attrs.Metadata {
		h[http.CanonicalHeaderKey("X-Amz-Meta-"+label)] = value
		h[http.CanonicalHeaderKey("X-Goog-Meta-"+label)] = value
	}
	for name, value := range map[string]string{
		"Content-Type": attrs.ContentType, "Content-Disposition": attrs.ContentDisposition, "Content-Encoding": attrs.ContentEncoding,
	} {
		if value != "" {
			h[name] = value
		}
	}
	return h
}

// hash is what the entity tag is made of: the MD5, which an object composed of others has not; those have their CRC instead.
func hash(attrs *storage.ObjectAttrs) []byte {
	if len(attrs.MD5) > 0 {
		return attrs.MD5
	}
	if sum, err := base64.StdEncoding.DecodeString(attrs.Etag); err == nil {
		return sum
	}
	return []byte(attrs.Etag)
}
