package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// line is one line of a stream. A stream ends with a line that has a result or
// an error; one that ends without was cut off.
type line struct {
	Event  json.RawMessage `json:"event,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// answer makes a handler of an operation that takes one JSON object and gives one.
func answer[In, Out any](f func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readRequest(r, &in); err != nil {
			writeError(w, err)
			return
		}
		out, err := f(r.Context(), in)
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the caller has gone: nobody is left to be told
	})
}

// stream makes a handler of an operation that tells how it goes while it works.
// Its events are written at once, in order.
func stream[In, Event, Out any](f func(context.Context, In, func(Event)) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readRequest(r, &in); err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := json.NewEncoder(w)
		flush := http.NewResponseController(w)
		// The caller must not wait for the first event to know that we are here.
		_ = flush.Flush()
		put := func(l line) {
			_ = lines.Encode(l)
			_ = flush.Flush()
		}
		out, err := f(r.Context(), in, func(e Event) { put(line{Event: encode(e)}) })
		if err != nil {
			put(line{Error: explain(err)})
			return
		}
		put(line{Result: encode(out)})
	})
}

// encode writes a view; our own views always have a JSON form.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("control: a view of type %T has no JSON form: %v", v, err))
	}
	return b
}

func readRequest(r *http.Request, in any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return fail(Usage, "the running node may be another version of comity than this command: restart it", "the request cannot be read: %v", err)
	}
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(line{Error: explain(err)})
}

// call asks one operation and reads its one answer.
func call[Out any](ctx context.Context, c *Client, path string, in any) (Out, error) {
	var out Out
	resp, err := c.post(ctx, path, in)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out); err != nil {
		return out, cutOff(ctx, err)
	}
	return out, nil
}

// listen asks an operation that tells how it goes. each is called for every
// event, in order; when it returns an error, the operation is given up.
func listen[Event, Out any](ctx context.Context, c *Client, path string, in any, each func(Event) error) (Out, error) {
	var out Out
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.post(ctx, path, in)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxAnswer)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return out, fmt.Errorf("read the node's answer: %w", err)
		}
		switch {
		case l.Error != nil:
			return out, l.Error
		case l.Result != nil:
			return out, json.Unmarshal(l.Result, &out)
		}
		var e Event
		if err := json.Unmarshal(l.Event, &e); err != nil {
			return out, fmt.Errorf("read the node's answer: %w", err)
		}
		if each == nil {
			continue
		}
		if err := each(e); err != nil {
			return out, err
		}
	}
	return out, cutOff(ctx, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}

// cutOff says that an answer ended early.
func cutOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fail(Interrupted, "", "interrupted")
	}
	return fail(Interrupted, `look at what was done with "comity sent" and "comity inbox" before you repeat it`,
		"the node stopped while it was answering (%v)", err)
}
