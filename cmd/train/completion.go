package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
)

func (p *program) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that makes a shell complete commands, flags, files and keys",
		Example: p.named(`  source <(PROGRAM completion bash)
  PROGRAM completion zsh > "${fpath[1]}/_PROGRAM"
  PROGRAM completion fish | source`),
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return usagef("%s: want one of %s", strings.Join(append([]string{cmd.CommandPath()}, args...), " "), strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(p.stdout, true)
			case "zsh":
				return root.GenZshCompletion(p.stdout)
			case "fish":
				return root.GenFishCompletion(p.stdout, true)
			default:
				return root.GenPowerShellCompletionWithDesc(p.stdout)
			}
		},
	}
}

// complete tells shells how to complete the arguments and flags of a command. What a
// flag takes follows from the name of its value in the help: FILE and DIR are what they
// say, a|b is one of these words. The other flags are known by their own names.
func complete(cmd *cobra.Command) {
	if cmd.ValidArgs == nil && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if completion := flagCompletion(f); completion != nil {
			if err := cmd.RegisterFlagCompletionFunc(f.Name, completion); err != nil {
				panic(err) // each flag is visited once
			}
		}
	})
}

// flagCompletion is nil where any file will do.
func flagCompletion(f *pflag.Flag) cobra.CompletionFunc {
	switch f.Name {
	case "config":
		return filesOf("yaml", "yml")
	case "checkpoint":
		return filesOf("safetensors")
	case "encoder":
		return cobra.FixedCompletions(valuesOf("model.encoder"), cobra.ShellCompDirectiveNoFileComp)
	case "resume":
		return completeResume
	case "set":
		return completeSetting
	}
	switch value, _ := pflag.UnquoteUsage(f); {
	case value == "FILE":
		return nil
	case value == "DIR":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case f.Value.Type() == "string" && strings.Contains(value, "|"):
		return cobra.FixedCompletions(strings.Split(value, "|"), cobra.ShellCompDirectiveNoFileComp)
	}
	return cobra.NoFileCompletions
}

// valuesOf are the words that a key takes.
func valuesOf(key string) []string {
	for _, k := range config.Keys() {
		if k.Name == key {
			return k.Values
		}
	}
	return nil
}

// filesOf completes with files of these extensions.
func filesOf(extensions ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

// completeResume completes with auto, and with checkpoints when a path is begun.
func completeResume(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if strings.HasPrefix("auto", begun) {
		return []string{"auto\tthe last checkpoint of the run folder"}, cobra.ShellCompDirectiveNoFileComp
	}
	return filesOf("safetensors")(cmd, args, begun)
}

// completeSetting completes KEY=VALUE: keys, and after the = the words that a key takes.
func completeSetting(cmd *cobra.Command, _ []string, begun string) (all []string, _ cobra.ShellCompDirective) {
	key, _, hasValue := strings.Cut(begun, "=")
	some := cmd.Flag("set").Annotations[keysAnnotation] // nil: all
	for _, k := range config.Keys() {
		switch {
		case some != nil && !slices.Contains(some, k.Name):
		case !hasValue && strings.HasPrefix(k.Name, begun):
			all = append(all, k.Name+"=\t"+k.Description)
		case hasValue && k.Name == key:
			for _, value := range k.Values {
				if word := key + "=" + value; strings.HasPrefix(word, begun) {
					all = append(all, word)
				}
			}
		}
	}
	if hasValue {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
