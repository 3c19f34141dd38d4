// Package s3face serves the S3 protocol over the objects of a Cloud Storage client.
//
// It is what Google calls interoperability: the Python StudioML client, boto3, mc and minio-go see the same objects as
// clients of Cloud Storage. x-amz-meta-* and x-goog-meta-* headers are an object's custom metadata. Contents are
// streamed; the parts of a multipart upload wait in files. Requests must name the one access key; their signatures are
// not checked, for whoever can reach loopback can reach the storage behind this face too. An answer of success means
// that the storage has the object.
package s3face
