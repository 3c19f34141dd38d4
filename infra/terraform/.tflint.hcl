# TFLint's bundled rules. The ruleset of Google is fetched from GitHub, which not everybody can: the schema says most of what it says.
plugin "terraform" {
  enabled = true
  preset  = "all"
}

# README.md and the modules' own files say more than main.tf, variables.tf and outputs.tf would.
rule "terraform_standard_module_structure" {
  enabled = false
}
