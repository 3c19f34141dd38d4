package request

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	schemeGS = "gs"
	schemeS3 = "s3"

	// awsHost serves s3://bucket/key, which names no host.
	awsHost = "s3.amazonaws.com"
)

// Object is one object in a store. Scheme is "gs" (Cloud Storage, without Host), "s3" (Host as host or host:port) or "https"
// (a file of a web server, without Bucket; Key is its path).
type Object struct {
	Scheme, Host, Bucket, Key string

	// Insecure is true for an S3 host that speaks plain HTTP: the storage's endpoint says so, or it is another host with
	// a port of its own, to which clients always speak HTTP.
	Insecure bool

	// Address is the URL of a web server's file, with its query, which may be a signature.
	Address Secret
}

// String is the object's URL, without credentials.
func (o Object) String() string {
	switch {
	case o.Host == "":
		return o.Scheme + "://" + o.Bucket + "/" + o.Key
	case o.Scheme == schemeHTTPS:
		return o.Scheme + "://" + o.Host + "/" + o.Key
	}
	return o.Scheme + "://" + o.Host + "/" + o.Bucket + "/" + o.Key
}

var (
	bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,221}$`)
	hostName   = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
)

// longestKey is the longest object name in bytes that Cloud Storage and S3 take.
const longestKey = 1024

func (o Object) check() error {
	steps := strings.Split(o.Key, "/")
	switch {
	case o.Scheme != schemeGS && !hostName.MatchString(o.Host):
		return errors.New("names no usable host")
	case o.Scheme != schemeHTTPS && !bucketName.MatchString(o.Bucket):
		return errors.New("names no usable bucket")
	case o.Key == "":
		return errors.New("names no object: neither qualified nor key nor a url's path says where it lies")
	case len(o.Key) > longestKey:
		return errors.New("an object's key is longer than 1,024 bytes")
	case !utf8.ValidString(o.Key) || strings.ContainsFunc(o.Key, unicode.IsControl):
		return errors.New("an object's key holds a control character")
	case steps[len(steps)-1] == "":
		return errors.New("an object's key ends in no name")
	case slices.Contains(steps, ".") || slices.Contains(steps, ".."): // whoever is on the way might take them for a path
		return errors.New("an object's key has a step . or .., which could lead out of its bucket")
	}
	return nil
}

// parseQualified splits s3://host[:port]/bucket/key, s3://bucket/key and gs://bucket/key. Keys are not unescaped:
// clients write them as they are.
func parseQualified(address, bucket string, storage Location) (Object, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	first, rest, _ := strings.Cut(rest, "/")
	switch scheme {
	case schemeGS:
		return Object{Scheme: schemeGS, Bucket: first, Key: rest}, nil
	case schemeS3:
	default:
		return Object{}, errors.New("qualified begins with neither s3:// nor gs://")
	}
	storageHost, insecure := storage.host()
	second, key, _ := strings.Cut(rest, "/")
	if !isHost(first, second, bucket, storageHost) {
		host, insecure := storage.s3Host()
		return Object{Scheme: schemeS3, Host: host, Bucket: first, Key: rest, Insecure: insecure}, nil
	}
	host := strings.ToLower(first)
	if host != storageHost {
		insecure = plainHTTP(host)
	}
	return Object{Scheme: schemeS3, Host: host, Bucket: second, Key: key, Insecure: insecure}, nil
}

// isHost tells s3://host/bucket/key from s3://bucket/key by the artifact's bucket where it names one, and otherwise by
// the look of the first part: a host has a dot or a port.
func isHost(first, second, bucket, storageHost string) bool {
	switch {
	case strings.Contains(first, ":") || strings.EqualFold(first, storageHost):
		return true
	case bucket != "" && (first == bucket || second == bucket):
		return first != bucket
	}
	return strings.Contains(first, ".") || first == "localhost"
}

func plainHTTP(host string) bool {
	_, port, found := strings.Cut(host[strings.LastIndexByte(host, ']')+1:], ":")
	return found && port != "443"
}
