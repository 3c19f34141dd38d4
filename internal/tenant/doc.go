// Package tenant says whose a queue is: the keys that sign for it and the buckets that belong to it.
//
// A tenant is a prefix of queue names; the longest one that matches a queue is its tenant. The bridge and the executor
// ask by queue, the finalizer by bucket.
//
// An entry at fault does not take the others with it, and does not vanish either: it keeps its prefix and refuses every
// queue under it, so that no shorter prefix, perhaps one without keys, takes over. Only an entry whose prefix cannot be
// read spoils the whole file, since nobody can tell what it was to protect. Names of members are exact, for a
// misspelt signing_keys would otherwise open a tenant to clear text.
package tenant
