"""Alerting: decides what is worth waking somebody for, says it once, and sees that it arrives.

In        drift.detected.v1, interaction.completed.v1, usage.rated.v1
Out       alert.changed.v1; Slack, PagerDuty, Opsgenie, Teams, e-mail, signed webhooks, the log
Owns      alerts, alert_causes, alert_changes, alert_deliveries
Answers   nobody
Once      a cause (an event id, a bucket of a window) counts once; the windows are stored with the position;
          a change, its fact and its deliveries are one transaction, decided on what is stored; they go out at
          least once, with fixed ids, each by the member that claimed it
Settings  LEEWAY_ALERTING_
"""
