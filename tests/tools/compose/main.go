// compose FILE: loads a Compose file as `docker compose config` does, all profiles included: against the Compose
// specification's schema, with anchors, interpolation and references resolved. A test tool: nothing of Tidemark needs Go.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithProfiles([]string{"*"}))
	if err == nil {
		var text []byte
		project, problem := options.LoadProject(context.Background())
		if err = problem; err == nil {
			if text, err = project.MarshalJSON(); err == nil {
				fmt.Println(string(text))
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
