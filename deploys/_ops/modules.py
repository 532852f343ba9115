"""Modules of Asterisk that stay out."""

from __future__ import annotations

UNLOADED = (
    *("chan_sip", "chan_iax2", "chan_skinny", "chan_mgcp", "chan_unistim", "chan_oss", "chan_alsa"),
    *("chan_console", "chan_dahdi", "chan_motif", "chan_mobile", "chan_ooh323", "chan_phone"),
    *("chan_websocket", "pbx_ael", "pbx_lua", "pbx_dundi", "pbx_realtime", "pbx_spool", "app_system"),
    *("app_externalivr", "app_jack", "app_festival", "app_minivm", "app_adsiprog", "app_getcpeid"),
    *("app_voicemail", "app_voicemail_imap", "app_voicemail_odbc", "app_directory", "app_dahdiras"),
    *("app_originate", "app_followme", "app_disa", "app_alarmreceiver", "app_sms", "app_zapateller"),
    *("func_shell", "func_curl", "func_odbc", "res_agi", "res_fax", "res_adsi", "res_smdi"),
    *("res_phoneprov", "res_pjsip_endpoint_identifier_user", "res_pjsip_endpoint_identifier_anonymous"),
    *("res_pjsip_config_wizard", "res_pjsip_phoneprov_provider", "res_pjsip_registrar", "res_pjsip_notify"),
    *("res_pjsip_publish_asterisk", "res_pjsip_transport_websocket", "res_pjsip_messaging"),
    *("res_config_ldap", "res_config_odbc", "res_config_pgsql", "res_config_mysql", "res_config_sqlite3"),
    *("res_config_curl", "res_odbc", "res_snmp", "res_calendar", "res_calendar_caldav", "res_calendar_ews"),
    *("res_calendar_exchange", "res_calendar_icalendar", "res_odbc_transaction", "res_fax_spandsp"),
    *("cdr_custom", "cel_custom", "res_xmpp", "res_hep", "res_hep_pjsip", "res_hep_rtcp", "res_prometheus"),
    *("res_corosync", "res_statsd", "res_chan_stats", "res_endpoint_stats", "cdr_pgsql", "cdr_odbc"),
    *("cdr_tds", "cdr_radius", "cdr_sqlite3_custom", "cdr_adaptive_odbc", "cel_pgsql", "cel_odbc"),
    *("cel_tds", "cel_radius", "cel_sqlite3_custom", "cdr_beanstalkd", "cel_beanstalkd"),
)
"""Modules that a telephone exchange of this kind does not need; one that a release has not is passed over."""
