// kstatuscheck says of objects whether they are reconciled, with the library that Flux, kpt and others use: it reads a JSON list
// of them on standard input, and prints one line for each: kind/name, the status (Current, InProgress, Failed, Terminating,
// NotFound, Unknown), and its message, with tabs between.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check() error {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("standard input is no list of objects: %w", err)
	}
	for _, object := range objects {
		each := &unstructured.Unstructured{}
		// Its own decoder: numbers have to be integers.
		if err := each.UnmarshalJSON(object); err != nil {
			return err
		}
		result, err := status.Compute(each)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", each.GetKind(), each.GetName(), err)
		}
		fmt.Printf("%s/%s\t%s\t%s\n", each.GetKind(), each.GetName(), result.Status, result.Message)
	}
	return nil
}
