// promcheck checks what Prometheus will read with Prometheus' own code, as promtool does:
// "promcheck rules" the groups of alert rules (YAML or JSON), "promcheck metrics" the text of an endpoint; both on standard input.
// It prints one line for each problem, and ends with status 3 where there is one.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	problems, err := check(os.Args[1:], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, problem := range problems {
		fmt.Println(problem)
	}
	if len(problems) > 0 {
		os.Exit(3)
	}
}

func check(args []string, input io.Reader) ([]string, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("usage: promcheck rules|metrics < FILE")
	}
	var problems []string
	switch args[0] {
	case "rules":
		content, err := io.ReadAll(input)
		if err != nil {
			return nil, err
		}
		groups, errs := rulefmt.Parse(content, false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		for _, err := range errs {
			problems = append(problems, err.Error())
		}
		if groups != nil && len(groups.Groups) == 0 {
			problems = append(problems, "there are no groups")
		}
	case "metrics":
		found, err := promlint.New(input).Lint()
		if err != nil {
			return nil, err
		}
		for _, problem := range found {
			problems = append(problems, problem.Metric+": "+problem.Text)
		}
	default:
		return nil, fmt.Errorf("usage: promcheck rules|metrics < FILE")
	}
	return problems, nil
}
