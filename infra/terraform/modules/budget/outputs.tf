output "budget" {
  description = "Name of the budget, as people see it; null without one."
  value       = one([for b in google_billing_budget.this : b.display_name])
}
