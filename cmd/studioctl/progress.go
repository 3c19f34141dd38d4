package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	patience = time.Second            // what is over by then shows no progress
	redraw   = 100 * time.Millisecond // often enough to look alive
)

// frames are drawn one after the other.
var frames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// erase is the beginning of a line that replaces what stands there.
const erase = "\r\x1b[K"

// progress is a line on a person's terminal that says what is being waited for, and is gone afterwards. Elsewhere, and
// before a second has passed, there is none.
type progress struct {
	out   io.Writer
	on    screen
	began time.Time

	mu    sync.Mutex
	act   string
	drawn bool
	over  bool
	ended chan struct{}
	gone  sync.WaitGroup
}

// progress begins to show an act. Its end must be called.
func (a *app) progress(act string) *progress {
	p := &progress{out: a.errOut, on: a.screenOf(a.errOut), began: time.Now(), act: act, ended: make(chan struct{})}
	if p.on.terminal && a.lookup("TERM") != "dumb" {
		p.gone.Go(p.draw)
	}
	return p
}

func (p *progress) draw() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for frame := 0; ; frame++ {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		if took := time.Since(p.began); took >= patience && !p.over {
			line := []rune(fmt.Sprintf("%c %s · %d s", frames[frame%len(frames)], p.act, int(took.Seconds())))
			if p.on.width > 0 && len(line) >= p.on.width { // a broken line could not be erased
				line = line[:p.on.width-1]
			}
			fmt.Fprint(p.out, erase+p.on.paint(dim, string(line)))
			p.drawn = true
		}
		p.mu.Unlock()
	}
}

// say changes what is waited for.
func (p *progress) say(act string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.act = act
}

// bytes says how far a transfer has come, as client.Progress.
func (p *progress) bytes(act string, done, total int64) {
	text := act
	if done > 0 {
		text += ", " + humanize.Bytes(uint64(done))
	}
	if total > 0 {
		text += fmt.Sprintf(" of %s (%d %%)", humanize.Bytes(uint64(total)), 100*done/total)
	}
	p.say(text)
}

// end erases the line. Ending twice is harmless.
func (p *progress) end() {
	p.mu.Lock()
	if !p.over {
		close(p.ended)
	}
	if p.over = true; p.drawn {
		fmt.Fprint(p.out, erase)
		p.drawn = false
	}
	p.mu.Unlock()
	p.gone.Wait()
}

// ending is a writer before whose first output the progress ends.
func (p *progress) ending(w io.Writer) io.Writer { return &endingWriter{w, p} }

type endingWriter struct {
	io.Writer
	p *progress
}

func (w *endingWriter) Write(b []byte) (int, error) {
	w.p.end()
	return w.Writer.Write(b)
}
