// Package report is what the runner tells experimenters: the messages of report.proto, and how they are sealed.
//
// An executor, or the bridge where a request is refused, makes a [Report], seals it for the experimenter ([Seal]) and sends it
// through Pub/Sub; functions/bridge publishes the body, which it cannot read, to the queue that [ResponseQueue] names. A client
// opens it ([Open]) with the private key whose public part the cluster was given.
//
// # On the wire
//
// The body is the payload of package envelope, "<base64 RSA block>,<base64 box>", around the proto3 JSON mapping of Report
// (lowerCamelCase names; times are RFC 3339 strings; StringValue is a plain string). There is no signature: whoever has the
// public key can make a report, so a report proves nothing about its sender. The AMQP message has content type text/plain, app_id
// studioml, and a message_id that stays the same where a report comes twice: after a failure on the way, delivery is repeated,
// never forgone. Readers that mind drop what they have seen by it.
//
// # What comes, in which order
//
// Reports of one attempt (unique_id) come in the order in which they happened: Prestart, Started, then lines of output (logging)
// and lines of JSON (progress.json) as the program prints them, Stopping if it is told to end, and Failed or Success last. Another
// attempt at the same experiment begins anew. A message that never starts has one report, Failed. Lines may be left out, where a
// program prints more than is carried; a report in their place says how many. States are never left out.
//
// # Errors
//
// All are permanent: [envelope.ErrUndecryptable] for a body that none of the keys opens, [ErrMalformed] for what is no report,
// [ErrTooLarge] for more than [MaxJSON] bytes. None repeats what the report says.
package report
