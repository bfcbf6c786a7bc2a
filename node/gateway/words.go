package gateway

import "log/slog"

const (
	// maxWords is how many lines about what a peer does are logged at once, and
	// wordsPerSecond how many more after that: a log fills a disk too.
	maxWords       = 50
	wordsPerSecond = 0.2
)

// aloud is where one line goes about what a peer caused by a request of its own.
// Beyond the limit it goes nowhere and is counted; the next line that is
// written tells how many were left out.
func (l *link) aloud() *slog.Logger {
	if !l.words.take() {
		l.unsaid.Add(1)
		return slog.New(slog.DiscardHandler)
	}
	if n := l.unsaid.Swap(0); n > 0 {
		return l.logger().With("left_out_before", n)
	}
	return l.logger()
}
