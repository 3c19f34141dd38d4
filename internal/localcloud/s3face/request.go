package s3face

import (
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// authorize lets requests of one access key through, however they name it: by signature version 4 or 2, in the header or in the query.
func authorize(accessKey string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch accessKeyOf(r) {
		case accessKey:
			next.ServeHTTP(w, r)
		case "":
			refuse(w, "AccessDenied", "Anonymous access is not allowed: sign the request.")
		default:
			refuse(w, "InvalidAccessKeyId", "The access key is not the one of this local cloud.")
		}
	})
}

func accessKeyOf(r *http.Request) string {
	authorization := r.Header.Get("Authorization")
	if _, credential, ok := strings.Cut(authorization, "Credential="); ok {
		key, _, _ := strings.Cut(credential, "/")
		return key
	}
	if credential, ok := strings.CutPrefix(authorization, "AWS "); ok {
		key, _, _ := strings.Cut(credential, ":")
		return key
	}
	query := r.URL.Query()
	if credential := query.Get("X-Amz-Credential"); credential != "" {
		key, _, _ := strings.Cut(credential, "/")
		return key
	}
	return query.Get("AWSAccessKeyId")
}

func refuse(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	_ = xml.NewEncoder(w).Encode(struct { // the client has left
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message})
}

// translate makes of a request what the library understands: chunk-signed bodies are decoded, for it knows one of their kinds and that not for
// parts, and Google's names of metadata become S3's.
func translate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if label, ok := strings.CutPrefix(name, "X-Goog-Meta-"); ok {
				r.Header["X-Amz-Meta-"+label] = values
			}
		}
		if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
			size, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
			if err != nil || size < 0 {
				http.Error(w, "X-Amz-Decoded-Content-Length is missing", http.StatusLengthRequired)
				return
			}
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			r.Header.Set("Content-Length", strconv.FormatInt(size, 10))
			r.ContentLength = size
			r.Body = struct {
				io.Reader
				io.Closer
			}{newChunks(r.Body), r.Body}
		}
		a := &answer{ResponseWriter: w}
		next.ServeHTTP(a, r)
		if !a.begun {
			a.WriteHeader(http.StatusOK)
		}
	})
}

// An answer names metadata in lower case, as S3 does: boto3 shows it in the case that it comes in.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (a *answer) WriteHeader(status int) {
	a.begun = true
	h := a.Header()
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") || strings.HasPrefix(name, "X-Goog-Meta-") {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}
