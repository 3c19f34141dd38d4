// Package tenant says whose a queue is: the keys that sign for it, the key that its reports are sealed with, and the buckets
// that belong to it.
//
// A tenant is a prefix of queue names; the longest one that matches a queue is its tenant. The bridge and the executor
// ask by queue, the finalizer by bucket. Keys stand in the tenant's entry, or in folders with a file for each prefix, as
// Kubernetes mounts a secret ([SigningKeys], [ReportKeys]). The longest prefix that has a key wins there too, except that a
// tenant with keys of its own is not given those of a shorter prefix; keys of equal prefixes add up.
//
// What is at fault does not take the rest with it, and does not vanish either: an entry or a file of signing keys at fault
// keeps its prefix and refuses every queue under it, so that no shorter prefix, perhaps one without keys, takes over, and no
// request in clear gets in; a file with a report key at fault sends no reports. Names of members are exact, for a misspelt
// signing_keys would otherwise open a tenant to clear text.
//
// Of a tenants file in which a prefix cannot be read, nobody can tell what it was to protect. Its last good version stays.
// Where there is none, at the start, a single file is not taken at all. In a folder the other files work, and the prefixes
// that can still be told are refused: those that can be found in the broken text, and the file's name, which is best the
// prefix of its tenants therefore. A queue of the file that neither tells is then one of a shorter prefix, if there is such,
// with that tenant's rules and buckets: what comes in so could have come in by any other queue of that tenant, so that nobody
// gains anything, whereas a refusal of every queue would let one tenant's slip stop all the others.
package tenant
