// Package eventarc carries notifications of finished objects to the finalize function, as Eventarc does.
//
// It stands between the topic studio-artifacts and the function's HTTP port. A notification becomes a CloudEvent in HTTP
// binary mode and is posted until the function answers with a success; only then it is acknowledged. It may be posted more than
// once and in any order. What the function keeps refusing goes to the dead-letter topic, as it was and with the last answer.
package eventarc
