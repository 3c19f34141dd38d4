package request

import (
	"encoding/json"
	"errors"
	"strings"
)

// Location is the client's storage or database: a bucket and who serves it.
type Location struct {
	Type        string // "s3", "gs", "gcloud"…
	Endpoint    string // "http://host:port" or "host:port"; "" when unset
	Bucket      string
	Credentials Credentials
}

// Credentials are those that the request itself carries; fields of the kinds that it does not use are empty.
type Credentials struct {
	User            string
	Password        Secret
	AccessKey       string
	SecretAccessKey Secret
	SessionToken    Secret
	Token           Secret
	Region          string
}

func parseLocation(o fields) Location {
	l := Location{
		Type:        o.text("type"),
		Endpoint:    o.text("endpoint"),
		Bucket:      o.text("bucket"),
		Credentials: parseCredentials(o, "credentials"),
	}
	if carriesCredentials(l.Endpoint) {
		o.fault("endpoint", "carries a user or password; send them as credentials")
	}
	if l.Bucket != "" && !bucketName.MatchString(l.Bucket) {
		o.fault("bucket", "not a bucket's name")
	}
	return l
}

// host is the endpoint's host and port in lower case, and whether it asks for plain HTTP.
func (l Location) host() (host string, insecure bool) {
	scheme, rest, found := strings.Cut(l.Endpoint, "://")
	if !found {
		rest, scheme = l.Endpoint, ""
	}
	host, _, _ = strings.Cut(rest, "/")
	host = strings.ToLower(host)
	if scheme == "" {
		return host, plainHTTP(host)
	}
	return host, strings.EqualFold(scheme, "http")
}

// s3Host is the host for what names none itself.
func (l Location) s3Host() (host string, insecure bool) {
	if host, insecure = l.host(); host == "" {
		return awsHost, false
	}
	return host, insecure
}

func (l Location) scheme() (string, error) {
	switch strings.ToLower(l.Type) {
	case "gs", "gcs", "gcloud":
		return schemeGS, nil
	case "s3":
		return schemeS3, nil
	case "":
		if l.Endpoint == "" {
			return schemeGS, nil
		}
		return schemeS3, nil
	}
	return "", errors.New("names a key only, and config.storage.type is neither s3 nor gcloud")
}

// parseCredentials accepts the forms that clients send, among them the word "none".
func parseCredentials(parent fields, name string) Credentials {
	var word string
	if json.Unmarshal(parent.raw(name), &word) == nil && (word == "" || word == "none") {
		return Credentials{}
	}
	o := parent.child(name)
	plain, jwt, aws := o.child("plain"), o.child("jwt"), o.child("aws")
	c := Credentials{
		User:            plain.text("user"),
		Password:        Secret(plain.text("password")),
		AccessKey:       aws.text("access_key"),
		SecretAccessKey: Secret(aws.text("secret_access_key")),
		SessionToken:    Secret(aws.text("session_token")),
		Token:           Secret(jwt.text("token")),
		Region:          aws.text("region"),
	}
	if c.SecretAccessKey == "" {
		c.SecretAccessKey = Secret(aws.text("secret_key")) // the name in a widely copied sample
	}
	if c.Region == "" {
		c.Region = aws.text("region_name") // the Python client reads this name too
	}
	return c
}

// carriesCredentials reports a user part in the address's authority. A key may hold an at sign.
func carriesCredentials(address string) bool {
	_, rest, found := strings.Cut(address, "://")
	if !found {
		rest = address
	}
	authority, _, _ := strings.Cut(rest, "/")
	return strings.Contains(authority, "@")
}
