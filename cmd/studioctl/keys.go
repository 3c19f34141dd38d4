package main

import (
	"github.com/spf13/cobra"
)

// What the deployment guide calls the keys.
const (
	requestName = "studioml_request"
	signingName = "studioml_signing"
	reportName  = "studioml_report"
)

func newKeys(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Aliases: []string{"key"}, GroupID: groupClouds, SuggestFor: []string{"secrets", "keygen", "ssh-keygen"},
		Short: "Make, check and change the keys of requests and reports",
		Long: `Keys makes and looks after the three pairs of keys of a cluster:

  request   the cluster's (RSA). Experimenters seal requests with the public
            half; executors alone have the private one.
  signing   an experimenter's or a team's (Ed25519). It signs requests; the
            cluster has the public half for a prefix of queue names.
  report    an experimenter's (RSA). The cluster seals reports with the public
            half; studioctl reports opens them.

Private files can be read by their owner only, and nothing is overwritten.
A passphrase comes from a file, from a prompt, or is made up into a file; it is
never an argument and never printed.`,
		Example: `  studioctl keys request                   a cluster's, once
  studioctl keys signing --queue-prefix rmq_vision
  studioctl keys report --queue-prefix rmq_vision_ada
  studioctl keys accepted                  what a cluster takes
  studioctl keys rotate request`,
	}
	family(cmd)
	cmd.AddCommand(newKeysRequest(a), newKeysSigning(a), newKeysReport(a), newKeysFingerprint(a), newKeysCheck(a), newKeysAccepted(a), newKeysRotate(a))
	return cmd
}
