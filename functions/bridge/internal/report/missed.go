package report

import (
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
)

// maxAccounts bounds what is remembered. Accounts are lost with the program too; the executor's own notes are not.
const maxAccounts = 10_000

// account is what one attempt's reader has missed.
type account struct {
	unsaid reporting.LeftOut
	said   bool // the reader was told that reports are being left out
	over   bool // nothing comes after it
}

// missed keeps the accounts.
type missed struct {
	mu       sync.Mutex
	accounts map[string]account
}

func (m *missed) of(attempt string) account {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[attempt]
}

// settle takes an attempt's account once what it tells is published.
func (m *missed) settle(attempt string, a account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.over || !a.said && !a.unsaid.Any() {
		delete(m.accounts, attempt)
		return
	}
	if m.accounts == nil || len(m.accounts) >= maxAccounts {
		m.accounts = map[string]account{}
	}
	m.accounts[attempt] = a
}

// tallyEvery is how often a queue's dropped reports are logged.
const tallyEvery = 10 * time.Minute

// tally counts what is dropped for want of a queue, so that it is logged now and then rather than each time.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	logged map[string]time.Time
}

// add returns the count since it was last due, and whether it is now.
func (t *tally) add(queue string, n int, now time.Time) (count int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil || len(t.counts) >= maxAccounts {
		t.counts, t.logged = map[string]int{}, map[string]time.Time{}
	}
	t.counts[queue] += n
	if now.Sub(t.logged[queue]) < tallyEvery {
		return 0, false
	}
	count = t.counts[queue]
	t.counts[queue], t.logged[queue] = 0, now
	return count, true
}
