//go:build js && wasm

package main

import (
	"errors"
	"fmt"
	"io"
	"syscall/js"
)

// blob reads a file that a person chose, piece by piece, so that a bundle with
// a parcel of gigabytes is never held whole. It is an io.ReaderAt.
type blob struct {
	file     js.Value
	progress js.Value // undefined: nobody is told
}

func (b *blob) size() int64 { return int64(b.file.Get("size").Float()) } // below 2^53

// ReadAt waits for the browser. A file that changed since it was chosen is an
// error of the browser's.
func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	end := min(off+int64(len(p)), b.size())
	if off >= end {
		return 0, io.EOF
	}
	content, err := await(b.file.Call("slice", float64(off), float64(end)).Call("arrayBuffer"))
	if err != nil {
		return 0, fmt.Errorf("the browser cannot read %s: %w", b.file.Get("name").String(), err)
	}
	n := js.CopyBytesToGo(p, js.Global().Get("Uint8Array").New(content))
	if b.progress.Type() == js.TypeFunction {
		b.progress.Invoke(float64(off + int64(n)))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// await waits until the promise is kept or broken. It must not be called from
// the browser's own call, which would wait for itself.
func await(p js.Value) (js.Value, error) {
	type outcome struct {
		value js.Value
		err   error
	}
	done := make(chan outcome, 1)
	kept := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{value: args[0]}
		return nil
	})
	defer kept.Release()
	broken := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{err: errors.New(args[0].Call("toString").String())}
		return nil
	})
	defer broken.Release()
	p.Call("then", kept, broken)
	o := <-done
	return o.value, o.err
}

// promise does the work beside the browser's call and hands its result over.
func promise(work func() string) js.Value {
	var start js.Func
	start = js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve := args[0]
		go func() {
			defer start.Release()
			resolve.Invoke(work())
		}()
		return nil
	})
	return js.Global().Get("Promise").New(start)
}
