"""What is said without a figure: none and some, more and less, most and least. Each line is true, then false."""

from typing import Any

import pytest

from tests.unit.workers.truth.test_grounding import counts, found, grounds, sales, store
from workers.truth.grounds import Grounds

SOME = """
No, Merino Hiking Socks sold best this week. | No, nobody ordered yesterday.
Nein, Merino Hiking Socks lief diese Woche am besten. | Nein, gestern hat niemand bestellt.
There is work left: 8 orders are unfulfilled. | Your backlog is clear.
Hardly anything is wrong, but 12 orders are open. | There's no open order whatsoever.
Nothing beats a personal note to your customers. | No money came in yesterday.
I can't see any orders older than 60 days. | You didn't sell anything yesterday.
Zu Retouren habe ich keine Daten. | Es wartet nichts auf den Versand.
Keine Panik: 12 Bestellungen sind offen. | Am Donnerstag hast du nichts verkauft.
12 orders are still open. | There isn't any open order left.
8 orders still have to be shipped. | Nothing is waiting to be shipped.
Your queue isn't empty: 8 orders are unfulfilled. | Your queue is empty.
Some orders are still unfulfilled. | No order is unfulfilled.
A few orders are still open. | Not a single order is open right now.
Several orders are waiting to be fulfilled. | None of your orders is waiting to be fulfilled.
Two orders were cancelled this week. | Nobody cancelled an order this week.
Some of this week's orders were cancelled. | None of this week's orders was cancelled.
Some goods were returned in the last 30 days. | Nothing was returned in the last 30 days.
Customers returned some goods in the last 30 days. | No returns were booked in the last 30 days.
There were orders yesterday. | There were no orders yesterday.
Orders came in on Thursday. | Nothing came in on Thursday.
You received orders on Monday. | On Monday you received nothing at all.
You got a few orders on Tuesday. | You didn't get a single order on Tuesday.
Orders came in today. | No one has ordered today.
Several first-time customers bought this week. | Nobody bought for the first time this week.
Some regulars came back this week. | No regulars came back this week.
Some customers bought as guests this week. | Nobody bought as a guest this week.
None of this week's orders came in on a day without sales. | Without a single order, Friday was a lost day.
Titanium Spork sold this week. | Not one Titanium Spork was sold this week.
You sold some Merino Hiking Socks this week. | You sold no Merino Hiking Socks this week.
You still have Titanium Spork in stock. | There is no Titanium Spork in stock.
No orders were refunded among the latest five. | Some of the latest five orders were refunded.
None of the five latest orders was cancelled. | Several of the five latest orders were cancelled.
Every day of the last seven brought orders. | There was a day this week without any order.
Offene Bestellungen gibt es noch. | Es gibt keine offenen Bestellungen mehr.
Es sind noch einige Bestellungen offen. | Offen ist nichts mehr.
Mehrere Bestellungen müssen noch versandt werden. | Zu versenden ist keine einzige Bestellung.
Gestern gab es Bestellungen. | Gestern gab es keine Bestellungen.
Am Donnerstag kamen Bestellungen herein. | Am Donnerstag kam keine einzige Bestellung herein.
Am Montag wurde etwas bestellt. | Am Montag hat niemand bestellt.
Heute ging schon eine Bestellung ein. | Heute ging noch nichts ein.
Diese Woche wurden einige Bestellungen storniert. | Diese Woche wurde nichts storniert.
Ein paar Bestellungen wurden diese Woche storniert. | Diese Woche wurde keine Bestellung storniert.
In den letzten 30 Tagen gab es Retouren. | In den letzten 30 Tagen gab es keine Retouren.
In den letzten 30 Tagen kam einiges zurück. | In den letzten 30 Tagen wurde keine einzige Rückgabe verbucht.
Diese Woche haben einige Neukunden gekauft. | Diese Woche hat kein einziger Neukunde gekauft.
Etliche Stammkunden haben diese Woche bestellt. | Kein Stammkunde hat diese Woche bestellt.
Vom Titanium Spork ist noch etwas auf Lager. | Vom Titanium Spork ist nichts mehr auf Lager.
Titanium Spork hat sich diese Woche verkauft. | Vom Titanium Spork wurde diese Woche kein Stück verkauft.
Es gab an jedem Tag dieser Woche Bestellungen. | Am Freitag blieb es ohne jede Bestellung.
Keine der fünf neuesten Bestellungen wurde storniert. | Einige der fünf neuesten Bestellungen wurden storniert.
Erstattet wurde bei den fünf neuesten Bestellungen nichts. | Mehrere der fünf neuesten Bestellungen wurden erstattet.
"""

NONE = """
No orders are open. | A few orders are still open.
Nothing is waiting to be shipped. | Some orders are waiting to be shipped.
Your queue is empty. | Several orders are unfulfilled.
You're all caught up. | There are open orders in your admin.
There were no orders on Wednesday. | There were orders on Wednesday.
Nothing came in on Wednesday. | A handful of orders came in on Wednesday.
Nobody cancelled this week. | Some of this week's orders were cancelled.
Nothing was returned in the last 30 days. | Some goods were returned in the last 30 days.
Not every day brought orders this week. | Orders came in every single day this week.
Es ist keine Bestellung mehr offen. | Es sind noch einige Bestellungen offen.
Zu versenden gibt es nichts. | Mehrere Bestellungen müssen noch verschickt werden.
Am Mittwoch gab es keine Bestellungen. | Am Mittwoch gab es Bestellungen.
Am Mittwoch kam nichts herein. | Am Mittwoch kamen einige Bestellungen herein.
Diese Woche wurde nichts storniert. | Diese Woche wurden mehrere Bestellungen storniert.
In den letzten 30 Tagen wurde nichts zurückgegeben. | In den letzten 30 Tagen gab es reichlich Retouren.
Nicht an jedem Tag gab es Bestellungen. | Diese Woche gab es jeden Tag Bestellungen.
"""

MORE = """
Friday had as many orders as Saturday. | Tuesday outdid Thursday.
Friday had no more orders than Saturday. | Your sales on Monday were higher than on Tuesday.
From Thursday to Friday, orders dropped. | From Wednesday to Thursday, orders dropped.
There are more open than unfulfilled orders. | There are more unfulfilled than open orders.
Von Mittwoch auf Donnerstag stiegen die Bestellungen. | Von Donnerstag auf Freitag stiegen die Bestellungen.
Je mehr Bestellungen, desto besser. | In den 30 Tagen davor gab es mehr Bestellungen als in den letzten 30 Tagen.
Thursday had more orders than Tuesday. | Tuesday had more orders than Thursday.
Thursday was busier than Wednesday. | Wednesday was busier than Thursday.
Wednesday was quieter than Tuesday. | Tuesday was quieter than Wednesday.
Monday brought in less revenue than Tuesday. | Monday brought in more revenue than Tuesday.
Thursday beat Wednesday. | Wednesday beat Thursday.
Thursday outperformed Monday. | Monday outperformed Thursday.
Wednesday was weaker than Thursday. | Thursday was weaker than Wednesday.
Compared with Wednesday, Thursday had more orders. | Compared with Thursday, Wednesday had more orders.
Thursday came in ahead of Friday. | Friday came in ahead of Thursday.
Wednesday lagged behind Thursday. | Thursday lagged behind Wednesday.
More returning than first-time customers bought this week. | More first-time than returning customers bought this week.
Regulars outnumbered newcomers this week. | Newcomers outnumbered regulars this week.
This week, newcomers bought less than regulars. | This week, regulars bought less than newcomers.
Thursday was above average. | Wednesday was above average.
Wednesday was below the daily average. | Thursday was below the daily average.
Thursday had more orders than an average day. | Wednesday had more orders than an average day.
Merino Hiking Socks outsold Titanium Spork. | Titanium Spork outsold Merino Hiking Socks.
Titanium Spork sold less than Merino Hiking Socks. | Merino Hiking Socks sold less than Titanium Spork.
#1118 was worth more than #1119. | #1119 was worth more than #1118.
#1116 was smaller than #1118. | #1118 was smaller than #1116.
In the last 30 days you had 10 more orders than in the 30 days before. | In the last 30 days you had 10 fewer orders than in the 30 days before.
The last 30 days were stronger than the 30 days before. | The last 30 days were weaker than the 30 days before.
Sales of the last 30 days rose compared with the 30 days before. | Sales of the last 30 days fell compared with the 30 days before.
Orders of the last 30 days were up on the previous 30 days. | Orders of the last 30 days were down on the previous 30 days.
You have more orders than customers. | You have fewer orders than customers.
More than half of the five latest orders have been fulfilled. | More than half of the five latest orders are unfulfilled.
Am Donnerstag gab es mehr Bestellungen als am Dienstag. | Am Dienstag gab es mehr Bestellungen als am Donnerstag.
Der Donnerstag lief besser als der Mittwoch. | Der Mittwoch lief besser als der Donnerstag.
Der Mittwoch war schwächer als der Dienstag. | Der Dienstag war schwächer als der Mittwoch.
Der Dienstag brachte mehr Umsatz als der Montag. | Der Montag brachte mehr Umsatz als der Dienstag.
Der Mittwoch blieb hinter dem Donnerstag zurück. | Der Donnerstag blieb hinter dem Mittwoch zurück.
Der Donnerstag lag vor dem Freitag. | Der Freitag lag vor dem Donnerstag.
Im Vergleich zum Mittwoch war der Donnerstag stärker. | Im Vergleich zum Donnerstag war der Mittwoch stärker.
Diese Woche kauften mehr Stammkunden als Neukunden. | Diese Woche kauften mehr Neukunden als Stammkunden.
Der Donnerstag lag über dem Durchschnitt. | Der Mittwoch lag über dem Durchschnitt.
Der Mittwoch lag unter dem Durchschnitt. | Der Donnerstag lag unter dem Durchschnitt.
Merino Hiking Socks verkauften sich besser als Titanium Spork. | Titanium Spork verkaufte sich besser als Merino Hiking Socks.
#1118 war teurer als #1119. | #1119 war teurer als #1118.
In den letzten 30 Tagen gab es 10 Bestellungen mehr als in den 30 Tagen davor. | In den letzten 30 Tagen gab es 10 Bestellungen weniger als in den 30 Tagen davor.
Die letzten 30 Tage waren stärker als die 30 Tage davor. | Die letzten 30 Tage waren schwächer als die 30 Tage davor.
Der Umsatz der letzten 30 Tage ist gegenüber den 30 Tagen davor gestiegen. | Der Umsatz der letzten 30 Tage ist gegenüber den 30 Tagen davor gesunken.
Du hast mehr Bestellungen als Kunden. | Du hast weniger Bestellungen als Kunden.
"""

MOST = """
The second-busiest day was Tuesday. | No day was busier than Monday.
After Thursday, Tuesday was the busiest day. | Tuesday was your top day for orders.
The biggest surprise this week was Saturday. | Nothing sold better this week than Titanium Spork.
Thursday and Tuesday were the busiest days. | Thursday came last by orders.
Der zweitstärkste Tag war der Dienstag. | Mittwoch führte die Woche an.
Der wichtigste Tipp: versende #1117 zuerst. | Deine letzte Bestellung kam von Ben Fox.
Your busiest day this week was Thursday. | Your busiest day this week was Tuesday.
Thursday was the strongest day of the past seven. | Thursday was the weakest day of the past seven.
The fewest orders came in on Wednesday. | The fewest orders came in on Thursday.
Of the last seven days, Wednesday earned the least money. | Of the last seven days, Wednesday earned the most money.
The day with the most orders was Thursday. | The day with the most orders was Monday.
The day with the highest revenue this week was Thursday. | The day with the highest revenue this week was Saturday.
The quietest of the last seven days by revenue was Wednesday. | The quietest of the last seven days by revenue was Tuesday.
No other day this week came close to Thursday. | No other day this week came close to Tuesday.
Every other day of this week had fewer orders than Thursday. | Every other day of this week had fewer orders than Tuesday.
Thursday set the week's record. | The record day of the week was Monday.
Your lowest day in sales was Wednesday this week. | Your lowest day in sales was Saturday this week.
Your newest order is #1120. | Your newest order is #1118.
The most recent purchase is #1120. | The most recent purchase is #1117.
#1120 is your latest order. | #1120 is your oldest order.
The largest of your five latest orders is #1118. | The largest of your five latest orders is #1120.
The smallest of your five latest orders is #1117. | The smallest of your five latest orders is #1119.
#1118 is the most valuable of the latest orders. | #1116 is the most valuable of the latest orders.
The cheapest recent order was #1117. | The cheapest recent order was #1118.
Merino Hiking Socks is your bestseller this week. | Titanium Spork is your bestseller this week.
Merino Hiking Socks leads this week, ahead of Titanium Spork. | Titanium Spork leads this week, ahead of Merino Hiking Socks.
The best-selling product is Merino Hiking Socks. | The best-selling product is Titanium Spork.
Your deepest stock is in Titanium Spork. | Your deepest stock is in Tee 2-Pack.
Number one this week is Merino Hiking Socks. | Number one this week is Titanium Spork.
Dein stärkster Tag diese Woche war der Donnerstag. | Dein stärkster Tag diese Woche war der Mittwoch.
Der ruhigste Tag der Woche nach Umsatz war der Mittwoch. | Der ruhigste Tag der Woche nach Umsatz war der Samstag.
Die meisten Bestellungen kamen am Donnerstag. | Die meisten Bestellungen kamen am Montag.
Am wenigsten eingenommen hast du diese Woche am Mittwoch. | Am meisten eingenommen hast du diese Woche am Mittwoch.
Der umsatzstärkste Tag war der Donnerstag. | Der umsatzstärkste Tag war der Dienstag.
Der schwächste der letzten sieben Tage beim Umsatz war Mittwoch. | Der schwächste der letzten sieben Tage beim Umsatz war Donnerstag.
Kein anderer Tag dieser Woche kommt an den Donnerstag heran. | Kein anderer Tag dieser Woche kommt an den Dienstag heran.
Jeder andere Tag dieser Woche brachte weniger Umsatz als der Donnerstag. | Jeder andere Tag dieser Woche brachte weniger Umsatz als der Freitag.
Rekordtag der Woche war der Donnerstag. | Rekordtag der Woche war der Freitag.
Deine neueste Bestellung ist #1120. | Deine neueste Bestellung ist #1119.
Die allerneueste Bestellung ist #1120. | Die älteste Bestellung ist #1120.
Die größte der fünf letzten Bestellungen ist #1118. | Die kleinste der fünf letzten Bestellungen ist #1118.
Die kleinste der letzten Bestellungen war #1117. | Die größte der letzten Bestellungen war #1117.
Am meisten wert ist #1118. | Am meisten wert ist #1119.
Dein Bestseller der Woche ist Merino Hiking Socks. | Dein Bestseller der Woche ist Titanium Spork.
Am besten verkauft haben sich diese Woche Merino Hiking Socks. | Am besten verkauft hat sich diese Woche Titanium Spork.
Auf Platz eins liegt diese Woche Merino Hiking Socks. | Auf Platz eins liegt diese Woche Titanium Spork.
Den größten Bestand hat Titanium Spork. | Den größten Bestand hat Tee 2-Pack.
Merino Hiking Socks führt die Liste der Verkäufe an. | Titanium Spork führt die Liste der Verkäufe an.
Am knappsten im Lager ist Tee 2-Pack. | Am knappsten im Lager ist Titanium Spork.
"""

SCOPE = """
Over the last 7 complete days you took $875.50. | Over the last 7 complete days you took $310.40.
Der Bestellwert der letzten sieben ganzen Tage: 875,50 $. | Der Bestellwert der letzten sieben ganzen Tage: 310,40 $.
Your busiest day of the last seven was Thursday. | Your quietest day of the last seven was Thursday.
My data goes back to September 23; since then you had 83 orders. | My data goes back to September 23; since then you had 15 orders.
Meine Daten beginnen am 23. September; seitdem gingen 83 Bestellungen ein. | Meine Daten beginnen am 23. September; seitdem gingen 15 Bestellungen ein.
15 orders in the past week, but 8 orders still need to be shipped. | 15 orders in the past week, but 9 orders still need to be shipped.
I set aside 1 test order when adding up the 15 orders of this week. | I set aside 1 test order when adding up the 16 orders of this week.
Neither #1120 nor #1117 has been shipped. | Neither #1119 nor #1118 has been shipped.
Right before the newest order came #1119. | The newest order is #1119.
There wasn't a single day without an order this week. | There wasn't a single order this week.
In Shopify stehen unter „Offen“ 12 Bestellungen. | In Shopify stehen unter „Offen“ 13 Bestellungen.
Your five newest orders add up to $325.00, which is $65.00 on average. | Your five newest orders add up to $65.00, which is $325.00 on average.
By $449.00 your total sales of the last 30 days beat those of the 30 days before. | By $1,449.00 your total sales of the last 30 days beat those of the 30 days before.
In the last 30 days, returns came to $72.45, against gross sales of $1,376.55. | In the last 30 days, returns came to $1,376.55, against gross sales of $72.45.
Im Lager liegt unter „Bestand“ Titanium Spork: 232 Stück. | Im Lager liegt unter „Bestand“ Titanium Spork: 233 Stück.
You had 10 orders more in the last 30 days than in the 30 days before and so reached 40. | You had 10 orders more in the last 30 days than in the 30 days before and so reached 30.
"""
"""Each word is said of its own number, period or order, not of its neighbours'."""

DAYS = """
From Monday to Wednesday you had 6 orders. | From Monday to Wednesday you had 7 orders.
Business picked up from Wednesday to Thursday, going from 1 order to 4. | Business picked up from Wednesday to Thursday, going from 2 orders to 4.
Since Thursday your orders went down: 4, 2, 2, 1. | Since Thursday your orders went down: 4, 3, 2, 1.
Seit Donnerstag ist es ruhiger geworden. | Seit Mittwoch ist es ruhiger geworden.
Since yesterday you got 3 orders. | Since yesterday you got 4 orders.
Orders have come in since Friday. | Nothing has come in since Friday.
Your two busiest days were Thursday and Tuesday. | Your two busiest days were Thursday and Monday.
Saturday made more money than Tuesday, although Tuesday had more orders. | Saturday made less money than Tuesday, although Tuesday had more orders.
Thursday was more than three times as busy as Wednesday. | Thursday was more than three times as busy as Tuesday.
Su pedido #1120 llegó el 22 de noviembre. | Su pedido #1120 llegó el 14 de noviembre.
"""

PARTS = """
Two of your last three orders are fulfilled. | Two of your last five orders are fulfilled.
Most of your open orders still have to be shipped. | Most of your open orders have been shipped.
8 Bestellungen warten auf den Versand. | 12 Bestellungen warten auf den Versand.
Your five newest orders come to $325.00. | They come to $325.00, from no orders.
Hardly any order was cancelled. | Nearly all of your open orders still have to be shipped.
Four of your five latest orders are paid; one is pending. | Eight of your five latest orders are paid.
Two people cancelled this week. | Three people cancelled this week.
All paid orders except #1120 have been shipped. | All paid orders have been shipped, #1120 too.
#1117 is partly shipped. | #1117 is shipped.
Ben Fox has paid. | Ben Fox has not paid yet.
A third of the story is your regulars. | A third of your open orders are unfulfilled.
Titanium Spork is well stocked. | Titanium Spork is nearly gone.
No need to reorder Titanium Spork. | With no units on hand, Titanium Spork can't carry a promotion.
Your store has been open for 3 years. | Your store has been open for a year.
In the last 30 days sales rose from 1,000.00 to 1,449.00 USD. | In the last 30 days sales rose from 900.50 to 1,449.00 USD.
The newest five orders add up to $325.00. | The newest five orders add up to $332.00.
"""


GERMAN = """
Eine der letzten fünf Bestellungen ist noch nicht bezahlt. | Eine der letzten fünf Bestellungen wurde storniert.
Ein Viertel der Bestellungen kam am Donnerstag. | Zwei Drittel der Bestellungen kamen am Donnerstag.
Ein Drittel des Umsatzes kam am Donnerstag. | Die Hälfte des Umsatzes kam am Mittwoch.
Am Donnerstag waren es mehr Bestellungen als am Freitag. | Am Donnerstag waren es mehr Bestellungen als sonst.
Der Umsatz hat sich seit Freitag fast verdreifacht. | Der Umsatz hat sich seit gestern verdreifacht.
Der Samstag war besser als der Freitag. | Der Freitag war besser als der Samstag.
Die Daten sagen nicht, ob die meisten Bestellungen abends kommen. | Die meisten Bestellungen kommen abends.
Merino Hiking Socks ist dein Bestseller. | Die Auroralampe ist dein Bestseller.
Dein Bestseller ist Merino Hiking Socks. | Dein Bestseller ist die Auroralampe.
Von Titanium Spork wurden 9 Stück verkauft. | Von der Thermosflasche wurden 9 Stück verkauft.
Wenn etwas ausverkauft ist, sag Bescheid. | Deine Thermosflasche ist ausverkauft.
Der Titanium Spork kostet 12,00 $. | Der Titanium Spork brachte 12,00 $ Umsatz.
Wenn du den Titanium Spork von 12,00 $ auf 10,00 $ senken würdest, kämen mehr Käufer. | Wenn du den Titanium Spork von 15,00 $ auf 10,00 $ senken würdest, kämen mehr Käufer.
Wenn der Titanium Spork statt 12,00 $ nur 10,00 $ kosten würde, wäre er günstig. | Wenn der Titanium Spork statt 15,00 $ nur 10,00 $ kosten würde, wäre er günstig.
Die größte der letzten 5 Bestellungen war #1118, die kleinste #1117. | Die größte der letzten 5 Bestellungen war #1117, die kleinste #1118.
Die letzten 5 Bestellungen: Durchschnitt 65,00 $, Höchstwert 120,50 $. | Die letzten 5 Bestellungen: Durchschnitt 65,00 $, Höchstwert 84,00 $.
Die letzten drei Bestellungen #1120, #1119 und #1118 kommen gemeinsam auf 259,50 $. | Die letzten drei Bestellungen #1120, #1119 und #1118 kommen gemeinsam auf 269,50 $.
Die Rückgabequote liegt bei 5,3 %, das sind 72,45 $ von 1.376,55 $ (30 Tage). | Die Rückgabequote liegt bei 5,3 %, das sind 1.376,55 $ von 72,45 $ (30 Tage).
Versende heute die 8 offenen Sendungen. | Versende heute die 9 offenen Sendungen.
Am Donnerstag kamen 310,40 $ der insgesamt 875,50 $ zusammen. | Am Donnerstag kamen 45,60 $ der insgesamt 875,50 $ zusammen.
Zwei wurden diese Woche storniert, sie zählen nicht zu den 15 Bestellungen. | Zwei wurden diese Woche storniert, sie zählen nicht zu den 16 Bestellungen.
Bis auf zwei sind alle der letzten 5 Bestellungen versandt. | Alle der letzten 5 Bestellungen sind versandt.
Von Kunden, die das erste Mal kauften, kam 1 der letzten 5 Bestellungen. | Von Kunden, die das erste Mal kauften, kamen 0 der letzten 5 Bestellungen.
#1120 – Anna Schmidt, 84,00 $ | #1120 – Maria Weber, 84,00 $
Anna Schmidt mit Bestellung #1120 über 84,00 $ | Maria Weber mit Bestellung #1120 über 84,00 $
Mit 4 von 15 Bestellungen (26,7 %) war der Donnerstag am stärksten. | Mit 4 von 15 Bestellungen (36,7 %) war der Donnerstag am stärksten.
Am Donnerstag wurden 310,40 $ eingenommen, am darauffolgenden Tag 45,60 $. | Am Donnerstag wurden 310,40 $ eingenommen, am darauffolgenden Tag 175,50 $.
Damit nichts liegen bleibt: 8 Bestellungen müssen noch verschickt werden. | Diese Woche ist nichts eingegangen.
Gestern (21.11.) kamen 2 Bestellungen. | Gestern (14.01.) kamen 2 Bestellungen.
Im Schnitt kamen diese Woche auf jede Bestellung 58,37 $. | Im Schnitt kamen diese Woche auf jede Bestellung 68,37 $.
Am Mittwoch kam nur eine Bestellung. | Am Dienstag kam nur eine Bestellung.
Der Samstag war umsatzstärker als der Dienstag. | Der Dienstag war umsatzstärker als der Samstag.
Die vorletzte Bestellung #1119 kam von Ben Fox. | Die vorletzte Bestellung #1118 kam von Carla Gomez.
#1119 wurde vollständig bezahlt. | #1119 wurde teilweise erstattet.
Seit Donnerstag sinken die Bestellungen. | Seit Donnerstag steigen die Bestellungen.
Heute liegst du noch unter dem gestrigen Umsatz. | Heute liegst du schon über dem gestrigen Umsatz.
Ich habe noch nie so schöne Socken gesehen. | So viele Bestellungen hattest du noch nie.
Frag deine Kunden, ob sie mit PayPal zahlen. | Die meisten Kunden zahlen mit PayPal.
Die Daten sind von heute 12:04 Uhr. | Die Daten sind von heute 14:30 Uhr.
Dein Shop ist seit drei Jahren online. | Dein Shop ist seit fünf Jahren online.
Dein Shop ist seit 2023 online. | Dein Shop ist seit 2021 online.
In den letzten 30 Tagen ist der Umsatz gestiegen. | Der Umsatz hat sich seit letztem Jahr verdoppelt.
Den Titanium Spork bieten Sie aktuell zum Preis von 12,00 $ an. | Den Titanium Spork bieten Sie aktuell zum Preis von 15,00 $ an.
Ein Upsell könnte helfen, denn pro Bestellung waren es diese Woche 58,37 $. | Ein Upsell könnte helfen, denn pro Bestellung waren es diese Woche 68,37 $.
14,5 % der Bestellungen aus den letzten 60 Tagen sind offen, der Rest ist abgeschlossen. | 24,5 % der Bestellungen aus den letzten 60 Tagen sind offen, der Rest ist abgeschlossen.
Mit 175,50 $ hat der gestrige Tag den heutigen (84,00 $) übertroffen. | Mit 84,00 $ hat der heutige Tag den gestrigen (175,50 $) übertroffen.
Du musst noch 8 Pakete auf den Weg bringen. | Du musst noch 83 Pakete auf den Weg bringen.
Dein Shop läuft seit 2023. | Dein Shop läuft seit 2021.
Der Titanium Spork geht raus, sobald er bezahlt ist. | Dem Titanium Spork gehen die Vorräte aus.
Im Moment läuft das Geschäft ordentlich. | Das Geschäft brummt wie noch nie.
Mit 40 Bestellungen fallen die letzten 30 Tage höher aus als die 30 Tage davor (30). | Mit 40 Bestellungen fallen die letzten 30 Tage niedriger aus als die 30 Tage davor (30).
Von deinen 12 offenen Bestellungen sind 4 schon versandt. | Von deinen 12 offenen Bestellungen sind 5 schon versandt.
60 % der letzten 5 Bestellungen kamen von Stammkunden, also 3. | 60 % der letzten 5 Bestellungen kamen von Stammkunden, also 4.
Der Neukundenanteil dieser Woche liegt bei 46,2 %. | Der Neukundenanteil dieser Woche liegt bei 54 %.
Zusammengenommen hast du von Titanium Spork und Tee 2-Pack 272 Stück vorrätig. | Zusammengenommen hast du von Titanium Spork und Tee 2-Pack 282 Stück vorrätig.
"""


def _busy() -> Grounds:
    return grounds([*store(), sales(1449.0, 40, 1000.0, 30)])


def _idle() -> Grounds:
    """A store with nothing open, cancelled or returned, and no order on Wednesday."""
    _, recent, week, overview = store()
    data: dict[str, Any] = week["data"]
    data["by_day"][2] |= {"orders": 0, "totals": []}
    data["cancelled_orders"] = 0
    reports = sales(1449.0, 40, 1000.0, 30)
    for period in ("current", "previous"):
        reports["data"][period]["returns"]["amount"] = "0.00"
    return grounds([counts(open_orders=0, unfulfilled_orders=0), recent, week, overview, reports])


@pytest.mark.parametrize(
    ("pairs", "read"),
    [
        (SOME, _busy()),
        (NONE, _idle()),
        (MORE, _busy()),
        (MOST, _busy()),
        (SCOPE, _busy()),
        (DAYS, _busy()),
        (PARTS, _busy()),
        (GERMAN, _busy()),
    ],
    ids=["some", "none", "more", "most", "scope", "days", "parts", "german"],
)
def test_what_is_said_without_a_figure_follows_from_the_figures(pairs: str, read: Grounds) -> None:
    for pair in pairs.strip().split("\n"):
        true, false = pair.split(" | ")
        assert found(true, read) == [], true
        assert found(false, read), false
